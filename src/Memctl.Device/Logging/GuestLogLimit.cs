namespace Memctl.Device.Logging;

/// <summary>Lets a guest cause only so many log records in a minute, and counts the rest. Safe for use by many threads.</summary>
/// <param name="linesPerMinute">How many.</param>
/// <param name="clock">Tells the time.</param>
public sealed class GuestLogLimit(int linesPerMinute, TimeProvider clock)
{
    private long _minuteStart = clock.GetTimestamp();
    private long _taken;
    private long _suppressed;
    private long _reported;

    /// <summary>All records ever suppressed.</summary>
    public ulong Suppressed => (ulong)Volatile.Read(ref _suppressed);

    /// <summary>Asks to write a record.</summary>
    /// <param name="suppressed">How many were suppressed since the last that was allowed.</param>
    public bool TryTake(out long suppressed)
    {
        long start = Volatile.Read(ref _minuteStart);
        long now = clock.GetTimestamp();
        if (clock.GetElapsedTime(start, now) >= TimeSpan.FromMinutes(1) &&
            Interlocked.CompareExchange(ref _minuteStart, now, start) == start)
        {
            Volatile.Write(ref _taken, 0);
        }

        suppressed = 0;
        if (Interlocked.Increment(ref _taken) > linesPerMinute)
        {
            Interlocked.Increment(ref _suppressed);
            return false;
        }

        long total = Volatile.Read(ref _suppressed);
        long reported = Volatile.Read(ref _reported);
        while (total > reported)
        {
            long seen = Interlocked.CompareExchange(ref _reported, total, reported);
            suppressed = seen == reported ? total - reported : 0;
            reported = seen == reported ? total : seen;
        }

        return true;
    }
}
