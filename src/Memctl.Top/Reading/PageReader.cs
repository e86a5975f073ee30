using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Memctl.Top.Reading;

/// <summary>
/// Reads where the pages of a process are, from /proc/PID/pagemap. The process goes on. It shares a lock of its address space
/// with the reader (mmap_lock, for reading), so each call covers no more than <see cref="MaxBytesOfCall"/>: a guest's request
/// that must change mappings waits for one call.
/// </summary>
/// <remarks>
/// Linux 6.7 and later answer PAGEMAP_SCAN: extents, with huge pages and the shared page of zeros told apart. Before, there is
/// one entry for each page, without either.
/// </remarks>
internal sealed unsafe class PageReader : IDisposable
{
    /// <summary>Bytes of address space that one system call covers.</summary>
    internal const ulong MaxBytesOfCall = 256ul << 20;

    private const int MaxRegions = 2048;
    private const int Entry = sizeof(ulong);

    private readonly SafeFileHandle _pagemap;
    private readonly ulong _pageSize;
    private readonly byte[] _entries = new byte[64 << 10];
    private readonly Libc.page_region[] _regions = new Libc.page_region[MaxRegions];

    /// <summary>Opens the file.</summary>
    /// <param name="pagemap">/proc/PID/pagemap.</param>
    /// <param name="pageSize">Bytes of a page.</param>
    /// <param name="mayScan">False: do as on a kernel without PAGEMAP_SCAN.</param>
    /// <exception cref="UnauthorizedAccessException">The process is another user's.</exception>
    /// <exception cref="IOException">The process has ended.</exception>
    internal PageReader(string pagemap, ulong pageSize, bool mayScan = true)
    {
        _pagemap = File.OpenHandle(pagemap);
        _pageSize = pageSize;
        HasScan = mayScan && ProbeScan();
    }

    /// <summary>Whether the kernel answers PAGEMAP_SCAN.</summary>
    internal bool HasScan { get; }

    /// <inheritdoc/>
    public void Dispose() => _pagemap.Dispose();

    /// <summary>Reports every page of [start, end), whole pages.</summary>
    /// <exception cref="IOException">The process has ended.</exception>
    internal void Read(ulong start, ulong end, PageSink sink)
    {
        for (ulong next = start; next < end;)
        {
            ulong to = Math.Min(end, next + MaxBytesOfCall);
            next = HasScan ? Scan(next, to, sink) : ReadEntries(next, to, sink);
        }
    }

    private bool ProbeScan()
    {
        var argument = new Libc.pm_scan_arg { size = (ulong)sizeof(Libc.pm_scan_arg) };
        return Libc.Ioctl(_pagemap, Libc.PAGEMAP_SCAN, &argument) == 0;
    }

    /// <summary>One system call. Returns how far it came.</summary>
    private ulong Scan(ulong start, ulong end, PageSink sink)
    {
        fixed (Libc.page_region* regions = _regions)
        {
            var argument = new Libc.pm_scan_arg
            {
                size = (ulong)sizeof(Libc.pm_scan_arg),
                start = start,
                end = end,
                vec = regions,
                vec_len = MaxRegions,
                category_anyof_mask = Libc.PAGE_IS_PRESENT | Libc.PAGE_IS_SWAPPED,
                return_mask = Libc.PAGE_IS_PRESENT | Libc.PAGE_IS_SWAPPED | Libc.PAGE_IS_PFNZERO | Libc.PAGE_IS_HUGE,
            };
            int count = Libc.Ioctl(_pagemap, Libc.PAGEMAP_SCAN, &argument);
            if (count < 0)
            {
                throw new IOException($"PAGEMAP_SCAN: errno {Marshal.GetLastPInvokeError()}");
            }

            ulong next = start;
            foreach (Libc.page_region region in _regions.AsSpan(0, count))
            {
                Report(next, region.start, PageKind.Absent, sink);
                Report(region.start, region.end, KindOf(region.categories), sink);
                next = region.end;
            }

            Report(next, argument.walk_end, PageKind.Absent, sink);
            return argument.walk_end;
        }
    }

    private static PageKind KindOf(ulong categories)
    {
        bool Is(ulong category) => (categories & category) != 0;
        return Is(Libc.PAGE_IS_SWAPPED) ? PageKind.Swapped
            : Is(Libc.PAGE_IS_PFNZERO) ? PageKind.Absent
            : Is(Libc.PAGE_IS_HUGE) ? PageKind.Resident | PageKind.Huge : PageKind.Resident;
    }

    /// <summary>One system call. Returns how far it came.</summary>
    private ulong ReadEntries(ulong start, ulong end, PageSink sink)
    {
        int wanted = (int)Math.Min((ulong)_entries.Length, (end - start) / _pageSize * Entry);
        int read = RandomAccess.Read(_pagemap, _entries.AsSpan(0, wanted), (long)(start / _pageSize * Entry)) / Entry;
        if (read == 0)
        {
            throw new IOException("the process has ended");
        }

        ReadOnlySpan<ulong> entries = MemoryMarshal.Cast<byte, ulong>(_entries.AsSpan(0, read * Entry));
        int first = 0;
        for (int index = 1; index <= entries.Length; index++)
        {
            // Bit 63: present; bit 62: swapped.
            if (index == entries.Length || entries[index] >> 62 != entries[first] >> 62)
            {
                PageKind kind = (entries[first] >> 62) switch
                {
                    0 => PageKind.Absent,
                    1 => PageKind.Swapped,
                    _ => PageKind.Resident,
                };
                sink(start + ((ulong)first * _pageSize), start + ((ulong)index * _pageSize), kind);
                first = index;
            }
        }

        return start + ((ulong)read * _pageSize);
    }

    private static void Report(ulong start, ulong end, PageKind kind, PageSink sink)
    {
        if (start < end)
        {
            sink(start, end, kind);
        }
    }
}
