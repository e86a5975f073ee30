using Memctl.Device.Memory;
using Memctl.Device.Tests.Fakes;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Functions;

/// <summary>A host call that fails in region k of n: what came before is kept and recorded, the failed one is rolled back.</summary>
public sealed class HostErrorTests
{
    private const ulong Base = 0x10_0000;
    private const ulong Size = 4 * Wire.Page;

    /// <summary>Functions that leave attributes, with the host calls that set, and that revert, one region.</summary>
    public static TheoryData<string, string, string> Attributes => new()
    {
        { "MLOCK", "mlock2", "munlock" },
        { "DONTDUMP", "DontDump", "DoDump" },
        { "MERGEABLE", "Mergeable", "Unmergeable" },
        { "UNMERGEABLE", "Unmergeable", "Unmergeable" },
        { "MPROTECT_NONE", "mprotect 0", "mprotect 3" },
        { "MPROTECT_R", "mprotect 1", "mprotect 3" },
        { "MPROTECT_W", "mprotect 2", "mprotect 3" },
        { "SET_VMA_ANON_NAME", "name", "name" },
    };

    [Theory]
    [MemberData(nameof(Attributes))]
    public void Change_FailingInTheThirdOfFourRegions_KeepsTwoAndRollsTheThirdBack(string function, string set, string rollBack)
    {
        TestGuest guest = FourRegions();
        FailOnce(guest, call => call.What == set && call.Address == HostOf(2), Wire.ENOMEM);

        byte[] answer = guest.Request(function, Base, 4 * Size, arg: 5);

        Assert.Equal(Wire.Answer(Wire.ENOMEM), answer);
        Assert.Equal(
            [(set, HostOf(0)), (set, HostOf(1)), (set, HostOf(2)), (rollBack, HostOf(2))],
            guest.Calls.Calls.Select(call => (call.What, call.Address)));
        Assert.All(guest.Calls.Calls, call => Assert.Equal(Size, call.Length));
        var run = Assert.Single(guest.Device.Save().Attributes);
        Assert.Equal((Base, Base + (2 * Size)), (run.Start, run.End));
    }

    [Theory]
    [MemberData(nameof(Attributes))]
    public void Change_FailingInTheFirstRegion_LeavesNothingSet(string function, string set, string rollBack)
    {
        TestGuest guest = FourRegions();
        FailOnce(guest, call => call.What == set, Wire.EAGAIN);

        byte[] answer = guest.Request(function, Base, 4 * Size, arg: 5);

        Assert.Equal(Wire.Answer(Wire.EAGAIN), answer);
        Assert.Equal([set, rollBack], guest.Calls.Calls.Select(call => call.What));
        Assert.Empty(guest.Device.Save().Attributes);
        Assert.Equal(0u, guest.Counter("splits"));
    }

    [Fact]
    public void Change_FailingOverPagesThatDiffer_RollsEachBackToWhatItWas()
    {
        TestGuest guest = FourRegions();
        guest.Request("MPROTECT_R", Base + Wire.Page, Wire.Page);
        guest.Request("MPROTECT_NONE", Base + (2 * Wire.Page), Wire.Page);
        guest.Calls.Clear();
        FailOnce(guest, call => call.What == "mprotect 2", Wire.ENOMEM);

        guest.Request("MPROTECT_W", Base, Size);

        ulong host = HostOf(0);
        Assert.Equal(
            [
                new HostCall("mprotect 2", host, Size),
                new HostCall("mprotect 3", host, Wire.Page),
                new HostCall("mprotect 1", host + Wire.Page, Wire.Page),
                new HostCall("mprotect 0", host + (2 * Wire.Page), Wire.Page),
                new HostCall("mprotect 3", host + (3 * Wire.Page), Wire.Page),
            ],
            guest.Calls.Calls);
        Assert.Equal(2, guest.Device.Save().Attributes.Count);
    }

    [Theory]
    [InlineData(RegionTraits.Mergeable, "UNMERGEABLE", "Unmergeable", "Mergeable")]
    [InlineData(RegionTraits.DontDump, "DONTDUMP", "DontDump", "DontDump")]
    public void Change_FailingInARegionWithTraits_RollsBackToWhatTheVmmHadSet(
        RegionTraits traits, string function, string set, string rollBack)
    {
        var guest = new TestGuest();
        guest.AddRegion(Base, Size, HostOf(0), traits);
        guest.Connect(TestGuest.BufferOf(0));
        FailOnce(guest, call => call.What == set, Wire.ENOMEM);

        guest.Request(function, Base, Size);

        Assert.Equal([set, rollBack], guest.Calls.Calls.Select(call => call.What));
    }

    [Theory]
    [InlineData("DONTNEED", "DontNeed")]
    [InlineData("REMOVE", "Remove")]
    [InlineData("FREE", "Free")]
    [InlineData("PAGEOUT", "PageOut")]
    public void Advice_FailingInTheSecondRegion_StopsThere(string function, string advice)
    {
        TestGuest guest = FourRegions();
        FailOnce(guest, call => call.Address == HostOf(1), Wire.EBUSY);

        byte[] answer = guest.Request(function, Base, 4 * Size);

        Assert.Equal(Wire.Answer(Wire.EBUSY), answer);
        Assert.Equal([(advice, HostOf(0)), (advice, HostOf(1))], guest.Calls.Calls.Select(call => (call.What, call.Address)));
        Assert.Empty(guest.Device.Save().Attributes);
    }

    /// <summary>
    /// Whole, the request would need no more splits than there are; the part of it before the region that fails needs more
    /// than the budget. What can't be recorded must not stay set.
    /// </summary>
    [Fact]
    public void Change_WhosePartialResultIsOverBudget_IsRolledBackWhole()
    {
        var guest = new TestGuest("max_splits=24");
        guest.AddRegion(Base, 64 * Wire.Page, HostOf(0));
        guest.AddRegion(Base + (64 * Wire.Page), 64 * Wire.Page, HostOf(1));
        guest.Connect(TestGuest.BufferOf(0));
        ulong second = Base + (64 * Wire.Page);
        for (ulong page = 0; page < 24; page += 2)
        {
            Assert.Equal(Wire.Answer(0), guest.Request("SET_VMA_ANON_NAME", second + (page * Wire.Page), Wire.Page, arg: 99));
        }

        guest.Calls.Answer = call => call.What == "name" && call.Address == HostOf(1) && call.Name != "" ? Wire.EBADF : 0;
        var named = new SortedDictionary<ulong, string?>();
        for (ulong page = 0; page < 40; page++)
        {
            guest.Calls.Clear();
            ulong addr = Base + (page * Wire.Page);
            Assert.NotEqual(0, Wire.Errno(guest.Request("SET_VMA_ANON_NAME", addr, second - addr + (64 * Wire.Page), arg: page + 1)));
            foreach (HostCall call in guest.Calls.Calls.Where(call => call.What == "name" && call.Address < HostOf(1)))
            {
                for (ulong at = call.Address; at < call.Address + call.Length; at += Wire.Page)
                {
                    named[at] = call.Name;
                }
            }

            Assert.True(guest.Counter("splits") <= 24, $"{guest.Counter("splits")} splits");
        }

        var recorded = guest.Device.Save().Attributes.Where(run => run.Attributes.Name is not (0 or 99))
            .Aggregate(0ul, (sum, run) => sum + ((run.End - run.Start) / Wire.Page));
        Assert.Equal((ulong)named.Count(entry => entry.Value != ""), recorded);
    }

    private static ulong HostOf(int region) => 0x7300_0000_0000 + ((ulong)region << 32);

    private static TestGuest FourRegions()
    {
        var guest = new TestGuest("dialect=pvmemcontrol");
        for (int region = 0; region < 4; region++)
        {
            guest.AddRegion(Base + ((ulong)region * Size), Size, HostOf(region));
        }

        guest.Connect(TestGuest.BufferOf(0));
        return guest;
    }

    private static void FailOnce(TestGuest guest, Predicate<HostCall> which, int errno)
    {
        bool failed = false;
        guest.Calls.Answer = call =>
        {
            bool fails = !failed && which(call);
            failed |= fails;
            return fails ? errno : 0;
        };
    }
}
