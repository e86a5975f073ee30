using Memctl.Device.Logging;
using Memctl.Device.Tests.Fakes;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Logging;

/// <summary>A guest causes only so many log records in a minute, and the rest are counted.</summary>
public sealed class GuestLogLimitTests
{
    [Fact]
    public void TryTake_WithinTheLimit_Allows()
    {
        var limit = new GuestLogLimit(3, new ManualClock());

        Assert.Equal([true, true, true, false, false], Enumerable.Range(0, 5).Select(_ => limit.TryTake(out long _)));
        Assert.Equal(2u, limit.Suppressed);
    }

    [Fact]
    public void TryTake_InTheNextMinute_AllowsAgainAndTellsOnceOfThoseSuppressed()
    {
        var clock = new ManualClock();
        var limit = new GuestLogLimit(2, clock);
        for (int record = 0; record < 7; record++)
        {
            limit.TryTake(out long none);
            Assert.Equal(0, none);
        }

        clock.Advance(TimeSpan.FromSeconds(59.9));
        Assert.False(limit.TryTake(out _));
        clock.Advance(TimeSpan.FromSeconds(0.1));

        Assert.True(limit.TryTake(out long suppressed));
        Assert.Equal(6, suppressed);
        Assert.True(limit.TryTake(out suppressed));
        Assert.Equal(0, suppressed);
        Assert.False(limit.TryTake(out _));
        Assert.Equal(7u, limit.Suppressed);
    }

    [Fact]
    public void TryTake_WithALimitOfZero_AllowsNothingEver()
    {
        var clock = new ManualClock();
        var limit = new GuestLogLimit(0, clock);
        Assert.False(limit.TryTake(out _));
        clock.Advance(TimeSpan.FromHours(1));

        Assert.False(limit.TryTake(out _));
        Assert.Equal(2u, limit.Suppressed);
    }

    [Fact]
    public void TryTake_FromManyThreads_AllowsExactlyTheLimitAndTellsOfNoneTwice()
    {
        const int Each = 20_000;
        var clock = new ManualClock();
        var limit = new GuestLogLimit(50, clock);
        long allowed = 0;
        long told = 0;
        void Take()
        {
            for (int record = 0; record < Each; record++)
            {
                if (limit.TryTake(out long suppressed))
                {
                    Interlocked.Increment(ref allowed);
                    Interlocked.Add(ref told, suppressed);
                }
            }
        }

        Parallel.Invoke(Take, Take, Take, Take);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(limit.TryTake(out long rest));

        Assert.Equal(50, allowed);
        Assert.Equal((ulong)((4 * Each) - 50), limit.Suppressed);
        Assert.Equal((long)limit.Suppressed, told + rest);
    }

    [Fact]
    public void Guest_DoingWrongForever_CausesAtMostTheLimitOfRecords()
    {
        TestGuest guest = TestGuest.Connected("max_log_lines=10");
        for (int round = 0; round < 1000; round++)
        {
            guest.Command(0xFFFFFFFF);
            guest.Device.MmioWrite(100, [1]);
            guest.Command(Wire.ACK);
        }

        Assert.Equal(10, guest.Log.Records.Count(record => record.Id >= 200));
        Assert.Equal(2990u, guest.Counter("suppressed_log_records"));
        guest.Clock.Advance(TimeSpan.FromMinutes(1));
        guest.Command(0xFFFFFFFF);
        Assert.Contains(guest.Log.Records, record => record.Id == 204 && record.Text.StartsWith("2990 ", StringComparison.Ordinal));
    }
}
