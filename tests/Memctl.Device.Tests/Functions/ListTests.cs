using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Functions;

/// <summary>A request that carries a list of ranges (protocol, "Lists of ranges").</summary>
public sealed class ListTests
{
    private const ulong Page = Wire.Page;
    private const ulong List = TestGuest.Far + Page;

    [Fact]
    public void List_OfDiscards_JoinsNeighboursAndReportsAllDone()
    {
        TestGuest guest = TestGuest.Connected();

        byte[] answer = Send(guest, "DONTNEED", [(TestGuest.Low, Page), (TestGuest.Low + Page, 2 * Page), (TestGuest.Low + (8 * Page), Page), (TestGuest.High, Page)]);

        Assert.Equal(Done(4), answer);
        Assert.Equal(
            ["DontNeed(700000000000, 3000)", "DontNeed(700000008000, 1000)", "DontNeed(710000000000, 1000)"],
            guest.Calls.Calls.Select(call => call.ToString()));
        Assert.Equal(4u, guest.Counter("requests_DONTNEED"));
        Assert.Equal(5 * Page, guest.Counter("bytes_DONTNEED"));
    }

    [Fact]
    public void List_OfAttributes_ChangesEachRange()
    {
        TestGuest guest = TestGuest.Connected();

        byte[] answer = Send(guest, "SET_VMA_ANON_NAME", [(TestGuest.Low, Page), (TestGuest.High, Page), (TestGuest.High, 0)], arg: 9);

        Assert.Equal(Done(3), answer);
        Assert.Equal(
            ["name(700000000000, 1000, \"memctl-9\\0\")", "name(710000000000, 1000, \"memctl-9\\0\")"],
            guest.Calls.Calls.Select(call => call.ToString()));
    }

    /// <summary>Function, and the call that fails in the third entry.</summary>
    [Theory]
    [InlineData("DONTNEED", "DontNeed")]
    [InlineData("PAGEOUT", "PageOut")]
    [InlineData("MLOCK", "mlock2")]
    public void List_FailingInOneEntry_IsAnsweredAsThatEntryAloneAndLaterOnesAreNotTried(string function, string call)
    {
        TestGuest guest = TestGuest.Connected();
        guest.Calls.Answer = made => made.What == call && made.Address <= TestGuest.LowHost + (4 * Page) &&
            made.Address + made.Length > TestGuest.LowHost + (4 * Page) ? Wire.EAGAIN : 0;

        byte[] answer = Send(guest, function, [(TestGuest.Low, Page), (TestGuest.Low + (2 * Page), Page), (TestGuest.Low + (4 * Page), Page), (TestGuest.High, Page)]);

        Assert.Equal(Done(2, Wire.EAGAIN), answer);
        Assert.Equal(3u, guest.Counter($"requests_{function}"));
        Assert.Equal(1u, guest.Counter($"errors_{function}"));
    }

    [Theory]
    [InlineData("DONTNEED", TestGuest.Low + 8, Page, Wire.UNALIGNED)]
    [InlineData("DONTNEED", TestGuest.HighEnd, Page, Wire.NOT_GUEST_MEMORY)]
    [InlineData("MLOCK", TestGuest.Low, 100ul, Wire.UNALIGNED)]
    [InlineData("MLOCK", TestGuest.Low, ulong.MaxValue - 4095, Wire.NOT_GUEST_MEMORY)]
    [InlineData("FREE", ulong.MaxValue - 4095, 2 * Page, Wire.NOT_GUEST_MEMORY)]
    public void List_WithABadEntry_CarriesOutThoseBefore(string function, ulong addr, ulong length, uint code)
    {
        TestGuest guest = TestGuest.Connected();

        byte[] answer = Send(guest, function, [(TestGuest.Low, Page), (TestGuest.High, Page), (addr, length), (TestGuest.High, Page)]);

        Assert.Equal(Done(2, Wire.EINVAL, code), answer);
        Assert.Equal(2, guest.Calls.Calls.Length);
    }

    [Theory]
    [InlineData(List, 4096ul, 0, 0u)]
    [InlineData(List, 4112ul, Wire.EINVAL, Wire.BAD_LIST)]
    [InlineData(List, 8ul, Wire.EINVAL, Wire.BAD_LIST)]
    [InlineData(List + 8, 16ul, Wire.EINVAL, Wire.BAD_LIST)]
    [InlineData(List, ulong.MaxValue - 15, Wire.EINVAL, Wire.BAD_LIST)]
    [InlineData(TestGuest.FarEnd - 16, 32ul, Wire.EINVAL, Wire.NOT_GUEST_MEMORY)]
    [InlineData(TestGuest.HighEnd, 16ul, Wire.EINVAL, Wire.NOT_GUEST_MEMORY)]
    [InlineData(1ul << 60, 0ul, 0, 0u)]
    public void List_OfAnySizeAndPlace_IsTakenIfItFits(ulong address, ulong size, int errno, uint code)
    {
        foreach (string function in new[] { "DONTNEED", "MLOCK" })
        {
            TestGuest guest = TestGuest.Connected();
            for (ulong entry = 0; entry < 256; entry++)
            {
                guest.Memory.Poke(TestGuest.HostOf(List) + (16 * entry), Wire.Entry(TestGuest.Low, 0));
            }

            byte[] answer = guest.Send(Wire.Request(guest.Code(function) | Wire.ListBit, address, size));

            Assert.Equal(Done(errno == 0 ? size / 16 : 0, errno, code), answer);
        }
    }

    [Fact]
    public void List_AcrossRegions_IsReadWhole()
    {
        TestGuest guest = TestGuest.Connected();
        ulong address = TestGuest.High - 16;
        guest.Memory.Poke(TestGuest.HostOf(address), Wire.Entry(TestGuest.Low, Page));
        guest.Memory.Poke(TestGuest.HighHost, Wire.Entry(TestGuest.High + Page, Page));

        Assert.Equal(Done(2), guest.Send(Wire.Request(guest.Code("DONTNEED") | Wire.ListBit, address, 32)));
    }

    [Theory]
    [InlineData("memctl", "INFO", Wire.EOPNOTSUPP, Wire.UNKNOWN_FUNCTION)]
    [InlineData("memctl,deny=MLOCK", "MLOCK", Wire.EPERM, Wire.DENIED)]
    public void List_OfWhatTakesNone_IsRefused(string options, string function, int errno, uint code)
    {
        TestGuest guest = TestGuest.Connected($"dialect={options}");

        Assert.Equal(Done(0, errno, code), Send(guest, function, [(TestGuest.Low, Page)]));
    }

    [Fact]
    public void List_InDialectPvmemcontrol_IsUnknown()
    {
        TestGuest guest = TestGuest.Connected("dialect=pvmemcontrol");

        Assert.Equal(Wire.EOPNOTSUPP, Wire.Errno(Send(guest, "DONTNEED", [(TestGuest.Low, Page)])));
        Assert.Empty(guest.Calls.AllCalls);
    }

    [Theory]
    [InlineData("DONTNEED", 4ul << 12)]
    [InlineData("MLOCK", 1ul << 12)]
    public void List_WhoseTimeIsOver_StopsAfterAtLeastOneEntry(string function, ulong length)
    {
        TestGuest guest = TestGuest.Connected("max_request_time=5000,max_locked=1G");
        guest.Calls.Answer = _ =>
        {
            guest.Clock.Advance(TimeSpan.FromMilliseconds(6));
            return 0;
        };
        (ulong, ulong)[] ranges = [.. Enumerable.Repeat((TestGuest.Low, length), 3)];
        if (function == "DONTNEED")
        {
            guest.AddRegion(1ul << 32, 1ul << 30, 0x7400_0000_0000);
            ranges = [(1ul << 32, 64ul << 20), (1ul << 32, 64ul << 20), (TestGuest.Low, length)];
        }

        byte[] answer = Send(guest, function, ranges);

        Assert.Equal(Done(1), answer);
    }

    [Fact]
    public void List_WhileDiscardsAreInhibited_IsRefusedEntryByEntry()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Device.InhibitDiscard(true);

        Assert.Equal(Done(0, Wire.EBUSY, Wire.DISCARD_INHIBITED), Send(guest, "REMOVE", [(TestGuest.Low, Page), (TestGuest.High, Page)]));
        Assert.Equal(Done(2), Send(guest, "PAGEOUT", [(TestGuest.Low, Page), (TestGuest.High, Page)]));
    }

    [Fact]
    public void List_WhileDirtyPagesAreLogged_ReportsEachEntryAndTheAnswer()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Device.SetDirtyLogging(true);

        Send(guest, "DONTNEED", [(TestGuest.Low, Page), (TestGuest.High, 0), (TestGuest.Low + Page, Page)]);

        Assert.Equal([(TestGuest.Low, Page), (TestGuest.Low + Page, Page), (TestGuest.BufferOf(0), 32ul)], guest.DirtyLog.Ranges);
    }

    [Theory]
    [InlineData("DONTNEED")]
    [InlineData("PAGEOUT")]
    [InlineData("MLOCK")]
    public void List_ChangedByTheGuestWhileItIsServed_IsReadOnlyOnce(string function)
    {
        TestGuest guest = TestGuest.Connected();
        int reads = 0;
        guest.Memory.Allow = (address, writes) =>
        {
            reads += !writes && address - TestGuest.HostOf(List) < 4096 ? 1 : 0;
            return true;
        };
        guest.Calls.Answer = _ =>
        {
            guest.Memory.Poke(TestGuest.HostOf(List) + 16, Wire.Entry(TestGuest.High, 1));
            return 0;
        };

        byte[] answer = Send(guest, function, [(TestGuest.Low, Page), (TestGuest.Low + (4 * Page), Page)]);

        Assert.Equal(Done(2), answer);
        Assert.Equal(1, reads);
        Assert.All(guest.Calls.Calls, call => Assert.InRange(call.Address, TestGuest.LowHost, TestGuest.LowHost + (4 * Page)));
    }

    [Theory]
    [InlineData("DONTNEED")]
    [InlineData("PAGEOUT")]
    public void List_ThatNamesItself_IsCarriedOutAsItWasRead(string function)
    {
        TestGuest guest = TestGuest.Connected();
        guest.Calls.Answer = call =>
        {
            // What a discard leaves behind.
            if (call.Address <= TestGuest.HostOf(List) && call.Address + call.Length > TestGuest.HostOf(List))
            {
                guest.Memory.Poke(TestGuest.HostOf(List), new byte[64]);
            }

            return 0;
        };

        Assert.Equal(Done(3), Send(guest, function, [(TestGuest.Low, Page), (List, Page), (TestGuest.High, Page)]));
        Assert.Contains(guest.Calls.Calls, call => call.Address == TestGuest.HighHost);
    }

    [Fact]
    public void List_Of256RangesOfAllMemory_KeepsTheCallerForOneHostCallAtATime()
    {
        const ulong Gib = 1ul << 30;
        TestGuest guest = TestGuest.Connected("max_request_time=2000");
        guest.AddRegion(4 * Gib, Gib, 0x7400_0000_0000);
        guest.Calls.Answer = _ =>
        {
            guest.Clock.Advance(TimeSpan.FromMilliseconds(3));
            return 0;
        };
        (ulong, ulong)[] ranges = [.. Enumerable.Repeat((4 * Gib, Gib), 256)];

        for (int asked = 1; asked <= 3; asked++)
        {
            Assert.Equal(Done(1), Send(guest, "DONTNEED", ranges));
            Assert.Equal(asked, guest.Calls.Calls.Length);
        }
    }

    [Fact]
    public void List_OverTheBudget_LocksWhatFits()
    {
        TestGuest guest = TestGuest.Connected("max_locked=8K");

        Assert.Equal(Done(2, Wire.ENOMEM, Wire.LOCK_BUDGET), Send(guest, "MLOCK", [(TestGuest.Low, Page), (TestGuest.High, Page), (TestGuest.Low + (4 * Page), Page)]));
        Assert.Equal(2 * Page, guest.Counter("locked_bytes"));
    }

    [Fact]
    public void List_ThatProtectsItsOwnBuffer_IsRefusedThere()
    {
        TestGuest guest = TestGuest.Connected();

        Assert.Equal(
            Done(1, Wire.EBUSY, Wire.HOLDS_BUFFER), Send(guest, "MPROTECT_NONE", [(TestGuest.Low, Page), (TestGuest.Far, Page), (TestGuest.High, Page)]));
    }

    [Fact]
    public void Pageout_PastTheBudget_AnswersEagainUntilTheNextSecond()
    {
        TestGuest guest = TestGuest.Connected("max_pageout=8K");
        Assert.Equal(Wire.Answer(0), guest.Request("PAGEOUT", TestGuest.Low, 2 * Page));
        guest.Calls.Clear();

        Assert.Equal(Wire.Answer(Wire.EAGAIN, Wire.PAGEOUT_BUDGET), guest.Request("PAGEOUT", TestGuest.Low, Page));
        Assert.Empty(guest.Calls.AllCalls);

        guest.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Wire.Answer(0), guest.Request("PAGEOUT", TestGuest.Low, Page));
    }

    private static byte[] Send(TestGuest guest, string function, (ulong Addr, ulong Length)[] ranges, ulong arg = 0)
    {
        for (int entry = 0; entry < ranges.Length; entry++)
        {
            guest.Memory.Poke(TestGuest.HostOf(List) + (16 * (ulong)entry), Wire.Entry(ranges[entry].Addr, ranges[entry].Length));
        }

        return guest.Send(Wire.Request(guest.Code(function) | Wire.ListBit, List, 16 * (ulong)ranges.Length, arg));
    }

    private static byte[] Done(ulong done, int errno = 0, uint code = 0) => Wire.Answer(errno, code, done);
}
