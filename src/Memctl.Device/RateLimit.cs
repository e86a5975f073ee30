namespace Memctl.Device;

/// <summary>So much in a period, and no more. Safe for use by many threads, without a lock.</summary>
/// <param name="amount">How much in a period.</param>
/// <param name="period">How long a period is.</param>
/// <param name="clock">The time.</param>
internal sealed class RateLimit(ulong amount, TimeSpan period, TimeProvider clock)
{
    private long _start = clock.GetTimestamp();
    private ulong _taken;

    /// <summary>
    /// Takes an amount; false if it is not left in this period. One that is more than all is given to a period's first taker.
    /// </summary>
    internal bool TryTake(ulong wanted)
    {
        long start = Volatile.Read(ref _start);
        long now = clock.GetTimestamp();
        if (clock.GetElapsedTime(start, now) >= period && Interlocked.CompareExchange(ref _start, now, start) == start)
        {
            Volatile.Write(ref _taken, 0);
        }

        ulong taken = Volatile.Read(ref _taken);
        while (amount != 0 && (taken == 0 || wanted <= amount - Math.Min(amount, taken)))
        {
            ulong seen = Interlocked.CompareExchange(ref _taken, taken + Math.Min(wanted, amount), taken);
            if (seen == taken)
            {
                return true;
            }

            taken = seen;
        }

        return false;
    }
}
