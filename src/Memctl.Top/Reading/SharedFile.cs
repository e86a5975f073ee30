using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Memctl.Top.Reading;

/// <summary>
/// The file behind shared guest RAM (a memfd, as a rule). A page that the process no longer maps may still be in it, and takes
/// the host's memory all the same.
/// </summary>
internal sealed class SharedFile : IDisposable
{
    private readonly SafeFileHandle _file;

    /// <summary>Opens the file of a mapping.</summary>
    /// <param name="link">/proc/PID/map_files/START-END.</param>
    /// <exception cref="UnauthorizedAccessException">That takes CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.</exception>
    /// <exception cref="IOException">The mapping has gone.</exception>
    internal SharedFile(string link) =>
        _file = File.OpenHandle(link, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>
    /// Whether the file's contents are memory and the kernel tells data from holes, as on tmpfs and in a memfd. On hugetlbfs it
    /// does not, and a file on a disk may be dropped from memory.
    /// </summary>
    internal bool IsMemory =>
        Libc.FileSystemOf(_file, out Libc.FileSystemStatus status) == 0 && status.f_type == Libc.TMPFS_MAGIC;

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>
    /// Reports every byte of [offset, offset + length) of the file as resident or absent, at addresses from <paramref
    /// name="address"/> on.
    /// </summary>
    internal void Read(ulong offset, ulong length, ulong address, PageSink sink)
    {
        ulong end = offset + length;
        for (ulong next = offset; next < end;)
        {
            ulong data = Math.Min(Next(next, Libc.SEEK_DATA, end), end);
            ulong hole = data == end ? end : Math.Min(Next(data, Libc.SEEK_HOLE, end), end);
            if (next < data)
            {
                sink(address + next - offset, address + data - offset, PageKind.Absent);
            }

            if (data < hole)
            {
                sink(address + data - offset, address + hole - offset, PageKind.Resident);
            }

            next = hole;
        }
    }

    private ulong Next(ulong offset, int whence, ulong end)
    {
        long found = Libc.Seek(_file, (long)offset, whence);
        if (found >= 0)
        {
            return (ulong)found;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno == Libc.ENXIO ? end : throw new IOException($"lseek: errno {errno}");
    }
}
