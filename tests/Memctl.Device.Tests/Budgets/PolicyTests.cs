using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Budgets;

/// <summary>What the operator denies, what a pinned device forbids, and pages that hold a buffer.</summary>
public sealed class PolicyTests
{
    private const ulong Page = Wire.Page;

    /// <summary>Every function of both dialects that a policy can deny.</summary>
    public static TheoryData<string, string> Functions
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string dialect in new[] { "memctl", "pvmemcontrol" })
            {
                foreach (string function in Wire.CodesOf(dialect).Where(name => name != "INFO"))
                {
                    data.Add(dialect, function);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Function_ThatIsDenied_AnswersEpermAndOthersWork(string dialect, string function)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect},deny=[{function}]");

        byte[] answer = guest.Request(function, TestGuest.Low, Page, 1);

        Assert.Equal(Wire.Answer(Wire.EPERM, dialect == "memctl" ? Wire.DENIED : (uint)guest.Code(function)), answer);
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(1u, guest.Counter("refused_DENIED"));
        Assert.Equal(1u, guest.Counter($"errors_{function}"));
        foreach (string other in Wire.CodesOf(dialect).Where(name => name != function))
        {
            Assert.Equal(0, Wire.Errno(guest.Request(other, TestGuest.Low, Page, 1)));
        }
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Function_ThatAloneIsAllowed_WorksAndOthersDoNot(string dialect, string function)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect},allow=[{function}]");

        Assert.Equal(0, Wire.Errno(guest.Request(function, TestGuest.Low, Page, 1)));
        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
        foreach (string other in Wire.CodesOf(dialect).Where(name => name != function && name != "INFO"))
        {
            Assert.Equal(Wire.EPERM, Wire.Errno(guest.Request(other, TestGuest.Low, Page, 1)));
        }
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Inhibit_WhileOn_RefusesDiscardsOnly(string dialect, string function)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");
        bool discards = function is "DONTNEED" or "REMOVE" or "FREE";
        guest.Device.InhibitDiscard(true);

        byte[] answer = guest.Request(function, TestGuest.Low, Page, 1);

        uint code = dialect == "memctl" ? Wire.DISCARD_INHIBITED : (uint)guest.Code(function);
        Assert.Equal(discards ? Wire.Answer(Wire.EBUSY, code) : Wire.Answer(0), answer);
        Assert.Equal(discards ? 0 : 1, guest.Calls.Calls.Length);
        Assert.Equal(1u, guest.Counter("discard_inhibited"));
        guest.Device.InhibitDiscard(false);
        Assert.Equal(Wire.Answer(0), guest.Request(function, TestGuest.Low, Page, 1));
        Assert.Equal(0u, guest.Counter("discard_inhibited"));
    }

    [Fact]
    public void Inhibit_AndBadRange_TellsOfTheRangeFirst()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Device.InhibitDiscard(true);

        Assert.Equal(Wire.Answer(Wire.EINVAL, Wire.UNALIGNED), guest.Request("DONTNEED", TestGuest.Low, 1));
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", TestGuest.Low, 0));
    }

    [Theory]
    [InlineData("MPROTECT_NONE", true)]
    [InlineData("MPROTECT_R", true)]
    [InlineData("MPROTECT_W", false)]
    [InlineData("MPROTECT_RW", false)]
    [InlineData("DONTNEED", false)]
    [InlineData("MLOCK", false)]
    public void Change_OfThePageThatHoldsABuffer_IsRefusedIfItCloses(string function, bool closes)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);

        byte[] answer = guest.Request(function, TestGuest.Far, Page);

        Assert.Equal(closes ? Wire.Answer(Wire.EBUSY, Wire.HOLDS_BUFFER) : Wire.Answer(0), answer);
        Assert.Equal(closes ? 0 : 1, guest.Calls.Calls.Length);
    }

    [Theory]
    [InlineData("first byte in the page's last", TestGuest.High + Page - 1, TestGuest.High, true)]
    [InlineData("last byte in the page's first", TestGuest.High + Page - 31, TestGuest.High + Page, true)]
    [InlineData("ends right below the page", TestGuest.High + Page - 32, TestGuest.High + Page, false)]
    [InlineData("begins right past the page", TestGuest.High + Page, TestGuest.High, false)]
    [InlineData("across adjoining regions, lower", TestGuest.High - 16, TestGuest.High - Page, true)]
    [InlineData("across adjoining regions, upper", TestGuest.High - 16, TestGuest.High, true)]
    public void Close_OfAPageByABuffer_IsRefusedIfOneByteIsInIt(string where, ulong buffer, ulong page, bool refused)
    {
        var guest = new TestGuest();
        guest.Connect(TestGuest.BufferOf(0), buffer);

        byte[] answer = guest.Request("MPROTECT_NONE", page, Page);

        Assert.True((Wire.Errno(answer) == Wire.EBUSY) == refused, where);
    }

    [Fact]
    public void Close_OfAPageWhoseBufferIsForgotten_Works()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Connect(TestGuest.BufferOf(0), TestGuest.Low);
        Assert.Equal(Wire.EBUSY, Wire.Errno(guest.Request("MPROTECT_NONE", TestGuest.Low, Page)));
        guest.Connect(TestGuest.BufferOf(0));

        Assert.Equal(Wire.Answer(0), guest.Request("MPROTECT_NONE", TestGuest.Low, Page));
    }

    [Fact]
    public void HoldReadable_WhileOn_KeepsClosedPagesReadableForTheVmm()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("MPROTECT_NONE", TestGuest.Low, Page);
        guest.Request("MPROTECT_R", TestGuest.Low + (2 * Page), Page);
        guest.Calls.Clear();

        guest.Device.KeepReadable(true);
        guest.Request("MPROTECT_NONE", TestGuest.High, Page);
        guest.Device.KeepReadable(false);

        Assert.Equal(
            [
                "mprotect 1(700000000000, 1000)", "mprotect 1(710000000000, 1000)",
                "mprotect 0(700000000000, 1000)", "mprotect 0(710000000000, 1000)",
            ],
            guest.Calls.Calls.Select(call => call.ToString()));
    }

    [Fact]
    public void Dirty_WhileLogged_IsEveryAnswerAndEveryDiscard()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("DONTNEED", TestGuest.Low, Page);
        Assert.Empty(guest.DirtyLog.Ranges);
        guest.Device.SetDirtyLogging(true);

        guest.Request("INFO");
        guest.Request("REMOVE", TestGuest.Low, 2 * Page);
        guest.Calls.Answer = _ => Wire.EIO;
        guest.Request("FREE", TestGuest.High, Page);
        guest.Request("MLOCK", TestGuest.High, Page);

        Assert.Equal(
            [
                (TestGuest.Far, 32ul), (TestGuest.Low, 2 * Page), (TestGuest.Far, 32ul), (TestGuest.High, Page),
                (TestGuest.Far, 32ul), (TestGuest.Far, 32ul),
            ],
            guest.DirtyLog.Ranges);
        guest.Device.SetDirtyLogging(false);
        guest.Request("INFO");
        Assert.Equal(6, guest.DirtyLog.Ranges.Length);
    }

    /// <summary>The buffer lies across two regions, and the second can't be written: a VMM must not leave the first half behind.</summary>
    [Fact]
    public void Dirty_WhileLogged_IsAnAnswerOfWhichOnlyAPartWasWritten()
    {
        var guest = new TestGuest();
        guest.Connect(TestGuest.High - 16);
        guest.Device.SetDirtyLogging(true);
        guest.Memory.CloseToWrites(TestGuest.HighHost);
        guest.Memory.Poke(TestGuest.HostOf(TestGuest.High - 16), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);

        guest.Command(TestGuest.ChannelCommand(0));

        Assert.Equal(Wire.EOPNOTSUPP, Wire.Errno(guest.Memory.Peek(TestGuest.HostOf(TestGuest.High - 16), 16)));
        Assert.Equal([(TestGuest.High - 16, 32ul)], guest.DirtyLog.Ranges);
        Assert.Equal(1u, guest.Counter("unanswered_requests"));
    }
}
