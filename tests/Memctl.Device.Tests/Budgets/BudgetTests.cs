using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Budgets;

/// <summary>Budgets: the errno and the code when one is spent, the counters, and what gives budget back.</summary>
public sealed class BudgetTests
{
    private const ulong Page = Wire.Page;

    [Fact]
    public void Mlock_PastMaxLocked_AnswersEnomemAndLocksNothing()
    {
        TestGuest guest = TestGuest.Connected("max_locked=16K");
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low, 3 * Page));
        guest.Calls.Clear();

        Assert.Equal(Wire.Answer(Wire.ENOMEM, Wire.LOCK_BUDGET), guest.Request("MLOCK", TestGuest.High, 2 * Page));

        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(3 * Page, guest.Counter("locked_bytes"));
        Assert.Equal(16384u, guest.Counter("locked_bytes_limit"));
        Assert.Equal(1u, guest.Counter("refused_LOCK_BUDGET"));
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.High, Page));
    }

    [Fact]
    public void Mlock_OfPagesThatAreLocked_CostsNothingMore()
    {
        TestGuest guest = TestGuest.Connected("max_locked=16K");
        guest.Request("MLOCK", TestGuest.Low, 4 * Page);

        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low, 4 * Page));
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low + Page, 2 * Page));

        Assert.Equal(4 * Page, guest.Counter("locked_bytes"));
    }

    [Fact]
    public void Munlock_GivesLockedBytesBack()
    {
        TestGuest guest = TestGuest.Connected("max_locked=16K");
        guest.Request("MLOCK", TestGuest.Low, 4 * Page);
        guest.Request("MUNLOCK", TestGuest.Low, Page);

        Assert.Equal(3 * Page, guest.Counter("locked_bytes"));
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.High, Page));
    }

    [Theory]
    [InlineData("MLOCK")]
    [InlineData("DONTDUMP")]
    [InlineData("UNMERGEABLE")]
    [InlineData("MPROTECT_NONE")]
    [InlineData("MPROTECT_R")]
    [InlineData("MPROTECT_W")]
    [InlineData("SET_VMA_ANON_NAME")]
    public void Change_PastMaxSplits_AnswersEnomemAndSplitsNothing(string function)
    {
        TestGuest guest = TestGuest.Connected("max_splits=4");
        Assert.Equal(Wire.Answer(0), guest.Request(function, TestGuest.Low, Page, 1));
        Assert.Equal(Wire.Answer(0), guest.Request(function, TestGuest.Low + (2 * Page), Page, 1));
        guest.Calls.Clear();

        Assert.Equal(Wire.Answer(Wire.ENOMEM, Wire.SPLIT_BUDGET), guest.Request(function, TestGuest.Low + (4 * Page), Page, 1));

        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(4u, guest.Counter("splits"));
        Assert.Equal(4u, guest.Counter("splits_limit"));
        Assert.Equal(1u, guest.Counter("refused_SPLIT_BUDGET"));
    }

    [Theory]
    [InlineData("MLOCK", "MUNLOCK")]
    [InlineData("MPROTECT_R", "MPROTECT_RW")]
    [InlineData("MPROTECT_NONE", "MPROTECT_RW")]
    [InlineData("MPROTECT_W", "MPROTECT_RW")]
    public void Change_ThatMergesBack_GivesSplitsBack(string splits, string merges)
    {
        TestGuest guest = TestGuest.Connected("max_splits=4");
        guest.Request(splits, TestGuest.Low, Page);
        guest.Request(splits, TestGuest.Low + (2 * Page), Page);

        Assert.Equal(Wire.Answer(0), guest.Request(merges, TestGuest.Low, Page));
        Assert.Equal(2u, guest.Counter("splits"));
        Assert.Equal(Wire.Answer(0), guest.Request(splits, TestGuest.Low + (8 * Page), Page));
        Assert.Equal(4u, guest.Counter("splits"));
    }

    [Fact]
    public void Change_OfThePageBetweenTwoExtents_MergesAllThree()
    {
        TestGuest guest = TestGuest.Connected("max_splits=4");
        guest.Request("MLOCK", TestGuest.Low, Page);
        guest.Request("MLOCK", TestGuest.Low + (2 * Page), Page);

        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low + Page, Page));

        Assert.Equal(2u, guest.Counter("splits"));
    }

    [Fact]
    public void Change_OfNothing_FitsABudgetOfZero()
    {
        TestGuest guest = TestGuest.Connected("max_splits=0,max_locked=0");

        Assert.Equal(Wire.Answer(0), guest.Request("MUNLOCK", TestGuest.Low, Page));
        Assert.Equal(Wire.Answer(0), guest.Request("MPROTECT_RW", TestGuest.Low, Page));
        Assert.Equal(Wire.Answer(Wire.ENOMEM, Wire.SPLIT_BUDGET), guest.Request("MPROTECT_R", TestGuest.Low, Page));
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", TestGuest.Low, Page));
    }

    [Theory]
    [InlineData("unregister")]
    [InlineData("reset")]
    public void Region_GivenBack_GivesItsBudgetBackAndIsAsRegistered(string how)
    {
        TestGuest guest = TestGuest.Connected("max_splits=4,max_locked=8K");
        guest.Request("MLOCK", TestGuest.Low, Page);
        guest.Request("MPROTECT_NONE", TestGuest.Low, Page);
        guest.Request("SET_VMA_ANON_NAME", TestGuest.Low + (2 * Page), Page, 3);
        guest.Calls.Clear();

        if (how == "unregister")
        {
            guest.Device.UnregisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low);
        }
        else
        {
            guest.Device.Reset();
        }

        Assert.Equal(0u, guest.Counter("splits"));
        Assert.Equal(0u, guest.Counter("locked_bytes"));
        Assert.Equal(
            ["munlock(700000000000, 1000)", "mprotect 3(700000000000, 1000)", "name(700000002000, 1000, \"\")"],
            guest.Calls.Calls.Select(call => call.ToString()).Order(StringComparer.Ordinal).OrderBy(call => call[0] == 'n').ThenBy(call => call[1] == 'p'));
    }

    [Fact]
    public void Reset_ThatTheKernelRefuses_StillReportsThePageAsProtected()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("MPROTECT_NONE", TestGuest.Low, Page);
        guest.Calls.Answer = call => call.What == "mprotect 3" ? Wire.ENOMEM : 0;

        Assert.Equal(DeviceFault.HostCallFailed, Assert.Throws<DeviceException>(guest.Device.Reset).Fault);

        guest.Command(Wire.RESET);
        guest.Register(TestGuest.Low);
        Assert.Equal(Wire.ERROR, guest.ReadCommand());
        guest.Calls.Answer = _ => 0;
        guest.Device.Reset();
        guest.Connect(TestGuest.Low);
    }

    [Fact]
    public void Extent_OverRegionsThatAreUnregistered_NeverRunsOutOfRoom()
    {
        const ulong Base = 0x10_0000;
        var guest = new TestGuest("max_splits=2");
        for (ulong region = 0; region < 64; region++)
        {
            guest.AddRegion(Base + (region * Page), Page, 0x7300_0000_0000 + (region << 20));
        }

        guest.Connect(TestGuest.BufferOf(0));
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", Base, 64 * Page));

        for (ulong region = 1; region < 64; region += 2)
        {
            guest.Device.UnregisterMemory(Base + (region * Page), Page);
            Assert.Equal((63 - (region / 2)) * Page, guest.Counter("locked_bytes"));
        }

        Assert.Equal(Wire.Answer(0), guest.Request("MUNLOCK", Base, Page));
        Assert.Equal(Wire.Answer(Wire.ENOMEM, Wire.SPLIT_BUDGET), guest.Request("MPROTECT_R", TestGuest.Low, Page));
    }

    [Fact]
    public void PrepareToSplit_BeforeTheFirstSplit_PopulatesOnePageOncePerRegion()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("MLOCK", TestGuest.Low + Page, Page);
        guest.Request("MUNLOCK", TestGuest.Low + Page, Page);
        guest.Request("DONTDUMP", TestGuest.High, Page);

        Assert.Equal(
            ["PopulateWrite(700000001000, 1000)", "mlock2(700000001000, 1000)", "munlock(700000001000, 1000)", "PopulateWrite(710000000000, 1000)", "DontDump(710000000000, 1000)"],
            guest.Calls.AllCalls.Select(call => call.ToString()));
    }

    [Theory]
    [InlineData(Wire.ENOMEM, 2)]
    [InlineData(Wire.EAGAIN, 2)]
    [InlineData(Wire.EINVAL, 1)]
    public void PrepareToSplit_ThatFailed_IsTriedAgainUnlessTheKernelLacksIt(int errno, int tries)
    {
        TestGuest guest = TestGuest.Connected();
        guest.Calls.Answer = call => call.What == "PopulateWrite" ? errno : 0;

        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low, Page));
        Assert.Equal(Wire.Answer(0), guest.Request("MUNLOCK", TestGuest.Low, Page));

        Assert.Equal(tries, guest.Calls.AllCalls.Count(call => call.What == "PopulateWrite"));
    }
}
