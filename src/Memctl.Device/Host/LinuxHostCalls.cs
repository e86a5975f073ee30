using System.Runtime.InteropServices;

namespace Memctl.Device.Host;

/// <summary>
/// The real calls, by way of libc. They may block for as long as the kernel takes, so none suppresses the GC transition.
/// </summary>
public class LinuxHostCalls : IHostCalls
{
    // Linux 6.14 took it together with every advice for the caller itself.
    private readonly bool _hasVectors = Libc.process_madvise(Libc.PIDFD_SELF, default, 0, (int)MemoryAdvice.DontNeed, 0) == 0;

    /// <inheritdoc/>
    public virtual int Advise(nuint address, nuint length, MemoryAdvice advice) => ErrnoOf(Libc.madvise(address, length, (int)advice));

    /// <inheritdoc/>
    public int AdviseAll(ReadOnlySpan<HostRange> ranges, MemoryAdvice advice)
    {
        if (_hasVectors && ranges.Length > 1)
        {
            nint bytes = Libc.process_madvise(Libc.PIDFD_SELF, in MemoryMarshal.GetReference(ranges), (nuint)ranges.Length, (int)advice, 0);
            if (bytes == BytesOf(ranges))
            {
                return 0;
            }
        }

        return IHostCalls.AdviseEach(this, ranges, advice);
    }

    /// <inheritdoc/>
    public int Lock(nuint address, nuint length) => ErrnoOf(Libc.mlock2(address, length, 0));

    /// <inheritdoc/>
    public int Unlock(nuint address, nuint length) => ErrnoOf(Libc.munlock(address, length));

    /// <inheritdoc/>
    public int Protect(nuint address, nuint length, MemoryProtection protection) =>
        ErrnoOf(Libc.mprotect(address, length, (int)protection));

    /// <inheritdoc/>
    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name) => ErrnoOf(name.IsEmpty
        ? Libc.prctl(Libc.PR_SET_VMA, Libc.PR_SET_VMA_ANON_NAME, address, length, none: 0)
        : Libc.prctl(Libc.PR_SET_VMA, Libc.PR_SET_VMA_ANON_NAME, address, length, in MemoryMarshal.GetReference(name)));

    /// <summary>
    /// Reads errno only after an error. The runtime keeps it over a collection and over its signal handlers, as its own
    /// marshalling relies on; that would clear and save it around each call, in thread-local storage.
    /// </summary>
    private static int ErrnoOf(int result) => result == 0 ? 0 : Marshal.GetLastSystemError();

    private static nint BytesOf(ReadOnlySpan<HostRange> ranges)
    {
        nint bytes = 0;
        foreach (HostRange range in ranges)
        {
            bytes += (nint)range.Length;
        }

        return bytes;
    }
}
