using Microsoft.Extensions.Logging;

namespace Memctl.Device.Logging;

/// <summary>
/// Every record that the device writes. Event ids are grouped and never used again for something else: 1xx what the VMM did,
/// 2xx what a guest did (each of these passes a <see cref="GuestLogLimit"/>).
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

    [LoggerMessage(200, LogLevel.Warning, "guest access ignored: {Width} bytes written at {Offset:x} have no meaning")]
    internal static partial void IgnoredWrite(ILogger logger, ulong offset, int width);

    [LoggerMessage(201, LogLevel.Warning, "guest command {Command:x} ignored: no such channel is connected")]
    internal static partial void UnknownChannel(ILogger logger, uint command);

    [LoggerMessage(202, LogLevel.Warning, "guest command {Command} refused: {Reason}")]
    internal static partial void CommandRefused(ILogger logger, string command, string reason);

    [LoggerMessage(203, LogLevel.Warning, "guest request not answered: its buffer at {Address:x} can't be written")]
    internal static partial void NotAnswered(ILogger logger, ulong address);

    [LoggerMessage(204, LogLevel.Warning, "{Count} log records that the guest caused were suppressed")]
    internal static partial void Suppressed(ILogger logger, long count);
}
