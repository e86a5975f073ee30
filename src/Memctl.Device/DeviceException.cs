namespace Memctl.Device;

/// <summary>What the VMM, or its operator, got wrong; each has a status of its own in the C ABI.</summary>
public enum DeviceFault
{
    InvalidArgument,
    Overlap,
    NotFound,
    LimitReached,
    InvalidState,
    HostCallFailed,
    Denied,
}

/// <summary>A call of the VMM that could not be carried out. Never thrown for what a guest does.</summary>
/// <param name="fault">Which kind.</param>
/// <param name="message">One sentence for the operator.</param>
public sealed class DeviceException(DeviceFault fault, string message) : Exception(message)
{
    /// <summary>Which kind.</summary>
    public DeviceFault Fault => fault;
}
