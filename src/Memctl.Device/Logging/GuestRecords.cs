using System.Text;
using System.Text.Unicode;
using Microsoft.Extensions.Logging;

namespace Memctl.Device.Logging;

/// <summary>
/// A record that a guest can cause, as the state of an <see cref="ILogger"/> call. It formats itself as UTF-8 into the logger's
/// buffer, so that delivering it allocates nothing: LoggerMessage, which the other records use, makes a string and boxes its
/// arguments, and enough of them start a collection on a vCPU thread.
/// </summary>
internal interface IGuestRecord : IUtf8SpanFormattable
{
    /// <summary>The record's number, never used again for another one, and its name.</summary>
    static abstract EventId Event { get; }
}

/// <summary>Writes records that a guest can cause. Each passes a <see cref="GuestLogLimit"/> before.</summary>
internal static class GuestRecords
{
    /// <summary>Maximum length of a record in bytes; every record below is shorter.</summary>
    private const int MaxBytes = 256;

    /// <summary>Writes one record, as a warning.</summary>
    internal static void Write<TRecord>(ILogger logger, TRecord record)
        where TRecord : struct, IGuestRecord =>
        logger.Log(LogLevel.Warning, TRecord.Event, record, null, static (record, _) => TextOf(record));

    private static string TextOf<TRecord>(TRecord record)
        where TRecord : struct, IGuestRecord
    {
        Span<byte> text = stackalloc byte[MaxBytes];
        record.TryFormat(text, out int length, default, null);
        return Encoding.UTF8.GetString(text[..length]);
    }
}

/// <summary>A write whose width or offset the device does not know.</summary>
internal readonly record struct IgnoredWriteRecord(ulong Offset, int Width) : IGuestRecord
{
    public static EventId Event => new(200, "IgnoredWrite");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Utf8.TryWrite(utf8Destination, provider,
            $"guest access ignored: {Width} bytes written at {Offset:x} have no meaning", out bytesWritten);
}

/// <summary>A command that is no transport command and names no connected channel.</summary>
internal readonly record struct UnknownChannelRecord(uint Command) : IGuestRecord
{
    public static EventId Event => new(201, "UnknownChannel");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Utf8.TryWrite(utf8Destination, provider,
            $"guest command {Command:x} ignored: no such channel is connected", out bytesWritten);
}

/// <summary>A transport command that the device answered with ERROR.</summary>
internal readonly record struct CommandRefusedRecord(string Command, string Reason) : IGuestRecord
{
    public static EventId Event => new(202, "CommandRefused");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Utf8.TryWrite(utf8Destination, provider, $"guest command {Command} refused: {Reason}", out bytesWritten);
}

/// <summary>A request whose answer could not be written.</summary>
internal readonly record struct NotAnsweredRecord(ulong Address) : IGuestRecord
{
    public static EventId Event => new(203, "NotAnswered");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Utf8.TryWrite(utf8Destination, provider,
            $"guest request not answered: its buffer at {Address:x} can't be written", out bytesWritten);
}

/// <summary>How many records the limit has suppressed since the last one that it let pass.</summary>
internal readonly record struct SuppressedRecord(long Count) : IGuestRecord
{
    public static EventId Event => new(204, "Suppressed");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Utf8.TryWrite(utf8Destination, provider, $"{Count} log records that the guest caused were suppressed", out bytesWritten);
}

/// <summary>Guest RAM that the guest had protected was made accessible, because a vCPU ran into it.</summary>
internal readonly record struct OpenedRecord(ulong? Address, ulong Bytes) : IGuestRecord
{
    public static EventId Event => new(205, "Opened");

    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) => Address is { } address
        ? Utf8.TryWrite(utf8Destination, provider,
            $"a vCPU ran into guest RAM at {address:x} that the guest had protected: {Bytes} bytes made accessible", out bytesWritten)
        : Utf8.TryWrite(utf8Destination, provider,
            $"a vCPU ran into guest RAM that the guest had protected: all {Bytes} bytes of it made accessible", out bytesWritten);
}
