namespace Memctl.Device.Host;

/// <summary>Advice values of madvise(2) that the device gives, with the numbers of Linux's asm-generic/mman-common.h.</summary>
public enum MemoryAdvice : byte
{
    DontNeed = 4,
    Free = 8,
    Remove = 9,
    Mergeable = 12,
    Unmergeable = 13,
    DontDump = 16,
    DoDump = 17,
    PageOut = 21,
    PopulateWrite = 23,
}

/// <summary>Bits of mprotect(2).</summary>
[Flags]
public enum MemoryProtection : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    ReadWrite = Read | Write,
}

/// <summary>A range of this process's memory, laid out as an <c>iovec</c>.</summary>
/// <param name="Address">Its first byte.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct HostRange(nuint Address, nuint Length)
{
    /// <summary>The maximum number in one call; the kernel takes up to UIO_MAXIOV, 1024.</summary>
    public const int MaxInCall = 256;

    /// <summary>Past its last byte.</summary>
    public nuint End => Address + Length;

    /// <summary>The same with more bytes behind it.</summary>
    public HostRange Extended(nuint bytes) => this with { Length = Length + bytes };
}

/// <summary>
/// The kernel's calls on a range of this process's memory. Every method returns 0 or the errno of the call, and may
/// be called from many vCPU threads at once.
/// </summary>
public interface IHostCalls
{
    /// <summary>madvise(2).</summary>
    int Advise(nuint address, nuint length, MemoryAdvice advice);

    /// <summary>madvise(2) on each of several ranges, in order. After an error it is unknown how far it came.</summary>
    int AdviseAll(ReadOnlySpan<HostRange> ranges, MemoryAdvice advice) => AdviseEach(this, ranges, advice);

    /// <summary>The same by a call for each range.</summary>
    protected static int AdviseEach(IHostCalls calls, ReadOnlySpan<HostRange> ranges, MemoryAdvice advice)
    {
        foreach (HostRange range in ranges)
        {
            int errno = calls.Advise(range.Address, range.Length, advice);
            if (errno != 0)
            {
                return errno;
            }
        }

        return 0;
    }

    /// <summary>mlock2(2) with flags 0: populate and lock.</summary>
    int Lock(nuint address, nuint length);

    /// <summary>munlock(2).</summary>
    int Unlock(nuint address, nuint length);

    /// <summary>mprotect(2).</summary>
    int Protect(nuint address, nuint length, MemoryProtection protection);

    /// <summary>PR_SET_VMA_ANON_NAME of prctl(2). The name is zero-terminated; an empty span clears it.</summary>
    int Name(nuint address, nuint length, ReadOnlySpan<byte> name);
}
