namespace Memctl.Device.Logging;

/// <summary>Lets a guest cause only so many log records in a minute, and counts the rest. Safe for use by many threads.</summary>
/// <param name="linesPerMinute">How many.</param>
/// <param name="clock">The time.</param>
public sealed class GuestLogLimit(int linesPerMinute, TimeProvider clock)
{
    private readonly RateLimit _limit = new((ulong)linesPerMinute, TimeSpan.FromMinutes(1), clock);
    private long _suppressed;
    private long _reported;

    /// <summary>All records ever suppressed.</summary>
    public ulong Suppressed => (ulong)Volatile.Read(ref _suppressed);

    /// <summary>Asks to write a record.</summary>
    /// <param name="suppressed">How many were suppressed since the last that was allowed.</param>
    public bool TryTake(out long suppressed)
    {
        suppressed = 0;
        if (!_limit.TryTake(1))
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
