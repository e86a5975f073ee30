using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace Memctl.Device.Host;

/// <summary>The functions of libc that the device calls: blittable signatures, each as its man page has it.</summary>
/// <remarks>
/// DllImport and not LibraryImport: the latter wants an assembly that allows unsafe code. The NativeAOT library
/// binds these when it is linked (DirectPInvoke), so that a vCPU's first request looks nothing up.
/// </remarks>
[SuppressMessage("Interoperability", "SYSLIB1054", Justification = "This assembly allows no unsafe code.")]
internal static class Libc
{
    internal const int PR_SET_VMA = 0x53564d41;
    internal const nuint PR_SET_VMA_ANON_NAME = 0;

    /// <summary>The caller itself, in place of a descriptor (Linux 6.14).</summary>
    internal const int PIDFD_SELF = -10000;

    [DllImport("libc")]
    internal static extern int madvise(nuint address, nuint length, int advice);

    [DllImport("libc")]
    internal static extern nint process_madvise(int pidfd, in HostRange ranges, nuint count, int advice, uint flags);

    [DllImport("libc")]
    internal static extern int mlock2(nuint address, nuint length, uint flags);

    [DllImport("libc")]
    internal static extern int munlock(nuint address, nuint length);

    [DllImport("libc")]
    internal static extern int mprotect(nuint address, nuint length, int protection);

    [DllImport("libc")]
    internal static extern int prctl(int option, nuint operation, nuint address, nuint length, nuint none);

    [DllImport("libc")]
    internal static extern int prctl(int option, nuint operation, nuint address, nuint length, in byte name);
}
