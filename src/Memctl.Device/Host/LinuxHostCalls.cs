using System.Runtime.InteropServices;

namespace Memctl.Device.Host;

/// <summary>The real calls, by way of libc. They may block for as long as the kernel takes, so none suppresses the GC transition.</summary>
public sealed class LinuxHostCalls : IHostCalls
{
    /// <inheritdoc/>
    public int Advise(nuint address, nuint length, MemoryAdvice advice) => ErrnoOf(Libc.madvise(address, length, (int)advice));

    /// <inheritdoc/>
    public int Lock(nuint address, nuint length) => ErrnoOf(Libc.mlock2(address, length, 0));

    /// <inheritdoc/>
    public int Unlock(nuint address, nuint length) => ErrnoOf(Libc.munlock(address, length));

    /// <inheritdoc/>
    public int Protect(nuint address, nuint length, MemoryProtection protection) =>
        ErrnoOf(Libc.mprotect(address, length, (int)protection));

    /// <inheritdoc/>
    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name) => ErrnoOf(name.IsEmpty
        ? Libc.prctl(Libc.PR_SET_VMA, Libc.PR_SET_VMA_ANON_NAME, address, length, 0)
        : Libc.prctl(Libc.PR_SET_VMA, Libc.PR_SET_VMA_ANON_NAME, address, length, in MemoryMarshal.GetReference(name)));

    private static int ErrnoOf(int result) => result == 0 ? 0 : Marshal.GetLastPInvokeError();
}
