using Microsoft.Extensions.Logging;

namespace Memctl.Device.Logging;

/// <summary>
/// The records of what the VMM did, event ids 1xx. An id is never used again for something else. <see cref="GuestRecords"/> has
/// those of what a guest did, 2xx.
/// </summary>
internal static partial class DeviceLog
{
    [LoggerMessage(100, LogLevel.Information, "device created: dialect {Dialect}, {Channels} channels, {MaxLocked} bytes to lock, {MaxSplits} mappings to split off")]
    internal static partial void Created(ILogger logger, string dialect, int channels, ulong maxLocked, int maxSplits);

    [LoggerMessage(101, LogLevel.Debug, "guest RAM [{Start:x}, {End:x}) registered")]
    internal static partial void Registered(ILogger logger, ulong start, ulong end);

    [LoggerMessage(102, LogLevel.Debug, "guest RAM [{Start:x}, {End:x}) unregistered")]
    internal static partial void Unregistered(ILogger logger, ulong start, ulong end);

    [LoggerMessage(103, LogLevel.Error, "guest RAM [{Start:x}, {End:x}) could not be made as it was registered: errno {Errno}")]
    internal static partial void NotReverted(ILogger logger, ulong start, ulong end, int errno);

    [LoggerMessage(104, LogLevel.Information, "state restored: {State}, {Channels} channels, {Extents} extents with attributes")]
    internal static partial void Restored(ILogger logger, string state, int channels, int extents);
}
