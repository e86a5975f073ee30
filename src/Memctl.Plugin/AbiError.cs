using System.Runtime.CompilerServices;
using Memctl.Device;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>Turns an error into a status and, for <c>last_error</c>, a message.</summary>
internal static class AbiError
{
    private static readonly byte[] _outOfMemory = "The memctl plugin's heap is full."u8.ToArray();

    /// <summary>A null, stale or invented handle.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static uint InvalidHandle() =>
        Report(MemctlAbi.MEMCTL_INVALID_HANDLE, "The device handle is null, was never created, or its device was destroyed.");

    /// <summary>A wrong argument of the C ABI.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static uint InvalidArgument(string message) => Report(MemctlAbi.MEMCTL_INVALID_ARGUMENT, message);

    /// <summary>A structure that is shorter than that of version 1.0.</summary>
    internal static uint InvalidSize(string structure, uint size, int minimum) =>
        Report(MemctlAbi.MEMCTL_INVALID_SIZE, $"The size of {structure} is {size} bytes; in version 1.0 it is {minimum}.");

    /// <summary>Any status, with its message.</summary>
    /// <returns>The status.</returns>
    internal static uint Report(uint status, string message)
    {
        LastError.Set(message);
        return status;
    }

    /// <summary>An exception that would otherwise leave the library.</summary>
    internal static uint From(Exception exception)
    {
        switch (exception)
        {
            case DeviceException device:
                return Report(StatusOf(device.Fault), device.Message);
            case OutOfMemoryException:
                LastError.Set(_outOfMemory);
                return MemctlAbi.MEMCTL_LIMIT_REACHED;
            default:
                return Report(
                    MemctlAbi.MEMCTL_INTERNAL_ERROR,
                    $"A defect in the memctl plugin: {exception.GetType().Name}: {exception.Message}");
        }
    }

    private static uint StatusOf(DeviceFault fault) => fault switch
    {
        DeviceFault.InvalidArgument => MemctlAbi.MEMCTL_INVALID_ARGUMENT,
        DeviceFault.Overlap => MemctlAbi.MEMCTL_OVERLAP,
        DeviceFault.NotFound => MemctlAbi.MEMCTL_NOT_FOUND,
        DeviceFault.LimitReached => MemctlAbi.MEMCTL_LIMIT_REACHED,
        DeviceFault.Denied => MemctlAbi.MEMCTL_DENIED,
        DeviceFault.InvalidState => MemctlAbi.MEMCTL_INVALID_STATE,
        _ => MemctlAbi.MEMCTL_HOST_CALL_FAILED,
    };
}
