using Memctl.Device;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>Turns what went wrong into a status and a message for the caller. Kept out of the ways that go right.</summary>
internal static class Failure
{
    private static readonly byte[] _outOfMemory = "The memctl plugin's heap is full."u8.ToArray();

    /// <summary>A null, stale or invented handle.</summary>
    internal static uint InvalidHandle() =>
        Of(MemctlAbi.MEMCTL_INVALID_HANDLE, "The device handle is null, was never given out, or its device was destroyed.");

    /// <summary>A wrong argument of the C ABI.</summary>
    internal static uint InvalidArgument(string message) => Of(MemctlAbi.MEMCTL_INVALID_ARGUMENT, message);

    /// <summary>Any status, with its message.</summary>
    internal static uint Of(uint status, string message)
    {
        LastError.Set(message);
        return status;
    }

    /// <summary>An exception that would otherwise leave the library.</summary>
    internal static uint Of(Exception exception)
    {
        switch (exception)
        {
            case DeviceException device:
                return Of(StatusOf(device.Fault), device.Message);
            case OutOfMemoryException:
                LastError.Set(_outOfMemory);
                return MemctlAbi.MEMCTL_LIMIT_REACHED;
            default:
                return Of(MemctlAbi.MEMCTL_INTERNAL_ERROR, $"A defect in the memctl plugin: {exception.GetType().Name}: {exception.Message}");
        }
    }

    private static uint StatusOf(DeviceFault fault) => fault switch
    {
        DeviceFault.InvalidArgument => MemctlAbi.MEMCTL_INVALID_ARGUMENT,
        DeviceFault.Overlap => MemctlAbi.MEMCTL_OVERLAP,
        DeviceFault.NotFound => MemctlAbi.MEMCTL_NOT_FOUND,
        DeviceFault.LimitReached => MemctlAbi.MEMCTL_LIMIT_REACHED,
        DeviceFault.InvalidState => MemctlAbi.MEMCTL_INVALID_STATE,
        _ => MemctlAbi.MEMCTL_HOST_CALL_FAILED,
    };
}
