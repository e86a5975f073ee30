using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Functions;

/// <summary>Every function code at every boundary of address and length.</summary>
public sealed class BoundaryTests
{
    private const ulong Page = Wire.Page;

    /// <summary>One more is zero.</summary>
    private const ulong Wraps = ulong.MaxValue;

    /// <summary>Case, address, length, errno, the device's code, and how many host calls it makes.</summary>
    private static readonly (string Case, ulong Addr, ulong Length, int Errno, uint Code, int Calls)[] _boundaries =
    [
        ("first page of RAM", TestGuest.Low, Page, 0, 0, 1),
        ("last page of a region before a gap", TestGuest.HighEnd - Page, Page, 0, 0, 1),
        ("last page of RAM", TestGuest.FarEnd - Page, Page, 0, 0, 1),
        ("whole region", TestGuest.Low, TestGuest.High - TestGuest.Low, 0, 0, 1),
        ("last page below an adjoining region", TestGuest.High - Page, Page, 0, 0, 1),
        ("across adjoining regions", TestGuest.High - Page, 2 * Page, 0, 0, 2),
        ("all of both adjoining regions", TestGuest.Low, TestGuest.HighEnd - TestGuest.Low, 0, 0, 2),
        ("address zero", 0, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("page below RAM", TestGuest.Low - Page, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("begins below RAM", TestGuest.Low - Page, 2 * Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("gap", TestGuest.HighEnd, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("page before a region", TestGuest.Far - Page, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("runs into the gap", TestGuest.HighEnd - Page, 2 * Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("begins in the gap", TestGuest.Far - Page, 2 * Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("over the gap", TestGuest.HighEnd - Page, TestGuest.Far - TestGuest.HighEnd + (2 * Page), Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("past RAM", TestGuest.FarEnd, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("wraps to a page in RAM", TestGuest.High, Wraps - (TestGuest.High - TestGuest.Low) + 1 + Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("wraps to its own start", TestGuest.Low, Wraps - Page + 1, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("ends at 2^64", Wraps - Page + 1, Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("from RAM to 2^64", TestGuest.Low, Wraps - TestGuest.Low + 1, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("wraps past zero", Wraps - Page + 1, 2 * Page, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("address one past a page", TestGuest.Low + 1, Page, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("address one below a page", TestGuest.Low + Page - 1, Page, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("address half a page off", TestGuest.Low + 2048, Page, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length 1", TestGuest.Low, 1, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length 100", TestGuest.Low, 100, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length a byte short", TestGuest.Low, Page - 1, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length a byte over", TestGuest.Low, Page + 1, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length that rounds to zero", TestGuest.Low, ulong.MaxValue, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("both unaligned, sum aligned", TestGuest.Low + 8, Page - 8, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("unaligned outside RAM", 8, 8, Wire.EINVAL, Wire.UNALIGNED, 0),
        ("length 0 in RAM", TestGuest.Low, 0, 0, 0, 0),
        ("length 0 in the last page", TestGuest.FarEnd - Page, 0, 0, 0, 0),
        ("length 0 at the end of RAM", TestGuest.FarEnd, 0, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("length 0 in the gap", TestGuest.HighEnd, 0, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("length 0 at address zero", 0, 0, Wire.EINVAL, Wire.NOT_GUEST_MEMORY, 0),
        ("length 0 at an unaligned address", TestGuest.Low + 1, 0, Wire.EINVAL, Wire.UNALIGNED, 0),
    ];

    /// <summary>Every function of both dialects that acts on a range, with every boundary.</summary>
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
    public void Request_AtEveryBoundary_AnswersAsTheProtocolSays(string dialect, string function)
    {
        foreach ((string name, ulong addr, ulong length, int errno, uint code, int calls) in _boundaries)
        {
            // The buffer lies in the middle of Far, in no page that a boundary names.
            var guest = new TestGuest($"dialect={dialect}");
            ulong buffer = TestGuest.Far + Page;
            guest.Connect(buffer);
            byte[] request = Wire.Request(guest.Code(function), addr, length, arg: 7);
            guest.Memory.Poke(TestGuest.HostOf(buffer), request);

            Assert.True(guest.Command(TestGuest.ChannelCommand(0)), name);

            byte[] answer = guest.Memory.Peek(TestGuest.HostOf(buffer), 32);
            uint expectedCode = code != 0 && dialect == "pvmemcontrol" ? (uint)guest.Code(function) : code;
            Assert.True(Wire.Answer(errno, expectedCode).AsSpan().SequenceEqual(answer), $"{name}: {Convert.ToHexString(answer)}");
            Assert.True(guest.Calls.Calls.Length == calls, $"{name}: {string.Join(", ", guest.Calls.AllCalls)}");
            Assert.True(guest.Counter($"errors_{function}") == (errno == 0 ? 0u : 1u), name);
            Assert.True(guest.Counter($"bytes_{function}") == (errno == 0 ? length : 0), name);
        }
    }

    [Fact]
    public void Request_OnADeviceWithoutMemory_CannotEvenConnect()
    {
        var guest = new TestGuest(withMemory: false);
        guest.Command(Wire.RESET);

        guest.Register(TestGuest.Low);

        Assert.Equal(Wire.ERROR, guest.ReadCommand());
    }

    [Fact]
    public void Answer_OverABufferFullOfOnes_LeavesNoByteOfIt()
    {
        TestGuest guest = TestGuest.Connected();
        byte[] request = new byte[32];
        request.AsSpan().Fill(0xFF);

        Assert.Equal(Wire.Answer(Wire.EOPNOTSUPP, Wire.UNKNOWN_FUNCTION), guest.Send(request));
    }

    [Fact]
    public void Answer_Written_TouchesNothingOutsideTheBuffer()
    {
        var guest = new TestGuest();
        ulong buffer = TestGuest.Far + 64;
        guest.Connect(buffer);
        byte[] around = new byte[160];
        around.AsSpan().Fill(0xAB);
        guest.Memory.Poke(TestGuest.FarHost, around);

        guest.Command(TestGuest.ChannelCommand(0));

        byte[] after = guest.Memory.Peek(TestGuest.FarHost, 160);
        Assert.Equal(around[..64], after[..64]);
        Assert.Equal(around[96..], after[96..]);
    }

    [Fact]
    public void Request_ChangedByTheGuestWhileItIsServed_IsReadOnlyOnce()
    {
        TestGuest guest = TestGuest.Connected();
        int reads = 0;
        guest.Memory.Allow = (_, writes) =>
        {
            reads += writes ? 0 : 1;
            return true;
        };
        guest.Calls.Answer = _ =>
        {
            guest.Memory.Poke(TestGuest.FarHost, Wire.Request(guest.Code("REMOVE"), TestGuest.High, 1));
            return 0;
        };

        byte[] answer = guest.Request("DONTNEED", TestGuest.Low, Page);

        Assert.Equal(Wire.Answer(0), answer);
        Assert.Equal(1, reads);
        Assert.Equal("DontNeed(700000000000, 1000)", Assert.Single(guest.Calls.Calls).ToString());
    }
}
