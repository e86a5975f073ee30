using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.State;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.State;

/// <summary>A state taken out of one device and put into another, and states that must not get in.</summary>
public sealed class SaveRestoreTests
{
    private const ulong Page = Wire.Page;

    private static readonly PageAttributes _locked = default(PageAttributes) with { Locked = true };
    private static readonly PageAttributes _inaccessible = default(PageAttributes) with { Denied = MemoryProtection.ReadWrite };

    /// <summary>What each case does to a good state. Every one has a valid checksum: only the checks of fields can refuse it.</summary>
    private static readonly Dictionary<string, Func<DeviceState, DeviceState>> _bad = new()
    {
        ["other dialect"] = state => state with { Dialect = "pvmemcontrol" },
        ["no dialect"] = state => state with { Dialect = "" },
        ["other page size"] = state => state with { PageSize = 65536 },
        ["page size zero"] = state => state with { PageSize = 0 },
        ["one channel too many"] = state => state with { BufferAddresses = [.. Enumerable.Repeat(TestGuest.Far, 9)] },
        ["channels while disconnected"] = state => state with { Transport = TransportState.Disconnected },
        ["buffer that wraps"] = state => state with { BufferAddresses = [ulong.MaxValue - 15] },
        ["buffer at the last address"] = state => state with { BufferAddresses = [ulong.MaxValue] },
        ["buffer in a closed page"] = state => state with { BufferAddresses = [TestGuest.Low + Page] },
        ["buffer that ends in a closed page"] = state => state with { BufferAddresses = [TestGuest.Low + Page - 31] },
        ["range that is empty"] = state => Extents(state, new AttributeExtent(TestGuest.Low, TestGuest.Low, _locked)),
        ["range that runs backwards"] = state => Extents(state, new AttributeExtent(TestGuest.Low + Page, TestGuest.Low, _locked)),
        ["range with an unaligned start"] = state => Extents(state, new AttributeExtent(TestGuest.Low + 1, TestGuest.Low + Page, _locked)),
        ["range with an unaligned end"] = state => Extents(state, new AttributeExtent(TestGuest.Low, TestGuest.Low + Page + 8, _locked)),
        ["range in the gap"] = state => Extents(state, new AttributeExtent(TestGuest.HighEnd, TestGuest.HighEnd + Page, _locked)),
        ["range over the gap"] = state => Extents(state, new AttributeExtent(TestGuest.HighEnd - Page, TestGuest.Far + Page, _locked)),
        ["range past RAM"] = state => Extents(state, new AttributeExtent(TestGuest.FarEnd - Page, TestGuest.FarEnd + Page, _locked)),
        ["range to the last page"] = state => Extents(state, new AttributeExtent(TestGuest.Low, ulong.MaxValue - Page + 1, _locked)),
        ["ranges out of order"] = state => Extents(
            state, new AttributeExtent(TestGuest.High, TestGuest.High + Page, _locked), new AttributeExtent(TestGuest.Low, TestGuest.Low + Page, _locked)),
        ["ranges that overlap"] = state => Extents(
            state, new AttributeExtent(TestGuest.Low, TestGuest.Low + (2 * Page), _locked),
            new AttributeExtent(TestGuest.Low + Page, TestGuest.Low + (3 * Page), _inaccessible)),
        ["more locked than may be"] = state => Extents(state, new AttributeExtent(TestGuest.Low, TestGuest.Low + (9 * Page), _locked)),
        ["mergeable in a dialect without it"] = state => Extents(
            state, new AttributeExtent(TestGuest.Low, TestGuest.Low + Page, default(PageAttributes) with { Merging = Merging.Mergeable })),
    };

    /// <summary>The names of the bad states.</summary>
    public static TheoryData<string> Bad => [.. _bad.Keys];

    [Fact]
    public void Restore_IntoANewDevice_GivesTheGuestAllItHad()
    {
        DeviceState state = StateCodecTests.RichState();
        var guest = new TestGuest();

        guest.Device.Restore(DeviceStateCodec.Decode(DeviceStateCodec.Encode(state)));

        StateCodecTests.AssertSame(state, guest.Device.Save());
        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Equal(0x1122334455667788u, guest.ReadPayload());
        Assert.Equal(3u, guest.Counter("channels"));
        Assert.Equal(4 * Page, guest.Counter("locked_bytes"));
        for (int channel = 0; channel < 3; channel++)
        {
            Assert.Equal(0, Wire.Errno(guest.Request("INFO", channel: channel)));
        }

        Assert.Equal(
            [
                "mlock2(700000000000, 1000)", "mlock2(700000001000, 1000)", "mprotect 0(700000001000, 1000)", "mlock2(700000002000, 2000)",
                "mprotect 1(700000006000, 1000)", "DontDump(70000000f000, 1000)", "DontDump(710000000000, 1000)",
                "Unmergeable(710000004000, 1000)", "name(720000001000, 1000, \"memctl-18446744073709551615\\0\")",
            ],
            guest.Calls.Calls.Select(call => call.ToString()));
    }

    [Fact]
    public void Restore_OfARegisteringDriver_LetsItGoOn()
    {
        var source = new TestGuest();
        source.Command(Wire.RESET);
        source.Register(TestGuest.BufferOf(0));
        var guest = new TestGuest();

        guest.Device.Restore(source.Device.Save());

        Assert.False(guest.Command(TestGuest.ChannelCommand(0)));
        guest.Register(TestGuest.BufferOf(1));
        Assert.Equal(Wire.FirstChannel + 1, guest.ReadPayload());
        guest.Command(Wire.READY);
        Assert.Equal(0, Wire.Errno(guest.Request("INFO", channel: 0)));
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void Restore_OfABadStateWithAValidChecksum_IsRefusedAndTheDeviceAsBefore(string what)
    {
        var guest = new TestGuest("channels=8,max_locked=32K");
        DeviceState bad = _bad[what](StateCodecTests.RichState());

        DeviceException exception = Assert.Throws<DeviceException>(
            () => guest.Device.Restore(DeviceStateCodec.Decode(DeviceStateCodec.Encode(bad))));

        Assert.Equal(DeviceFault.InvalidState, exception.Fault);
        Assert.StartsWith("The saved state", exception.Message, StringComparison.Ordinal);
        AssertUntouched(guest);
    }

    /// <summary>A forged state under a budget of nothing; one region, so that the VMM has cut nothing.</summary>
    [Fact]
    public void Restore_OfMoreSplitsThanTheBudget_NamesTheBudget()
    {
        var guest = new TestGuest("max_splits=0", withMemory: false);
        guest.AddRegion(TestGuest.Low, 16 * Page, TestGuest.LowHost);
        DeviceState state = guest.Device.Save() with { Attributes = [new AttributeExtent(TestGuest.Low, TestGuest.Low + Page, _locked)] };

        DeviceException exception = Assert.Throws<DeviceException>(() => guest.Device.Restore(state));

        Assert.Contains("max_splits", exception.Message, StringComparison.Ordinal);
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Empty(guest.Device.Attributes());
    }

    [Fact]
    public void Restore_OfTheGoodStateThatTheBadOnesAreMadeOf_Works()
    {
        var guest = new TestGuest("channels=8,max_locked=32K");

        guest.Device.Restore(StateCodecTests.RichState());

        Assert.Equal(3u, guest.Counter("channels"));
    }

    [Fact]
    public void Restore_ThatTheKernelRefusesHalfWay_LeavesTheDeviceAsBeforeAndCanBeTriedAgain()
    {
        DeviceState state = StateCodecTests.RichState();
        int calls = CallsToRestore(state);
        Assert.True(calls > 5);
        for (int failing = 0; failing < calls; failing++)
        {
            var guest = new TestGuest();
            int made = 0;
            guest.Calls.Answer = call =>
            {
                bool fails = call.What != nameof(MemoryAdvice.PopulateWrite) && made++ == failing;
                return fails ? Wire.ENOMEM : 0;
            };

            DeviceException exception = Assert.Throws<DeviceException>(() => guest.Device.Restore(state));

            Assert.Equal(DeviceFault.HostCallFailed, exception.Fault);
            Assert.Contains("errno 12", exception.Message, StringComparison.Ordinal);
            Assert.Equal(0u, guest.Counter("splits"));
            Assert.Equal(Wire.ERROR, guest.ReadCommand());
            guest.Device.Restore(state);
            StateCodecTests.AssertSame(state, guest.Device.Save());
        }
    }

    [Theory]
    [InlineData(Wire.RESET)]
    [InlineData(Wire.READY)]
    public void Restore_IntoADeviceInUse_IsRefused(uint command)
    {
        var guest = new TestGuest();
        guest.Command(Wire.RESET);
        guest.Command(command);

        Assert.Throws<DeviceException>(() => guest.Device.Restore(StateCodecTests.RichState()));

        Assert.Empty(guest.Calls.AllCalls);
    }

    [Fact]
    public void Save_OfARecordThatUnplugCutIntoMoreRunsThanTheBudget_CanBeRestored()
    {
        const ulong Base = 0x10_0000;
        TestGuest source = RegionsOfAPage(Base);
        Assert.Equal(Wire.Answer(0), source.Request("MLOCK", Base, 32 * Page));
        for (ulong region = 1; region < 32; region += 2)
        {
            source.Device.UnregisterMemory(Base + (region * Page), Page);
        }

        DeviceState state = source.Device.Save();
        Assert.Equal(16, state.Attributes.Count);
        Assert.Equal(16 * Page, source.Counter("locked_bytes"));
        TestGuest target = RegionsOfAPage(Base);
        target.Command(Wire.DISCONNECT);

        target.Device.Restore(state);

        StateCodecTests.AssertSame(state, target.Device.Save());
    }

    private static TestGuest RegionsOfAPage(ulong start)
    {
        var guest = new TestGuest("max_splits=2");
        for (ulong region = 0; region < 32; region++)
        {
            guest.AddRegion(start + (region * Page), Page, 0x7300_0000_0000 + (region << 20));
        }

        guest.Connect(TestGuest.BufferOf(0));
        return guest;
    }

    private static DeviceState Extents(DeviceState state, params AttributeExtent[] runs) => state with { Attributes = runs };

    private static void AssertUntouched(TestGuest guest)
    {
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(Wire.ERROR, guest.ReadCommand());
        Assert.Equal(0u, guest.ReadPayload());
        Assert.Equal(0u, guest.Counter("channels"));
        Assert.Equal(0u, guest.Counter("splits"));
        guest.Device.Restore(StateCodecTests.RichState());
    }

    private static int CallsToRestore(DeviceState state)
    {
        var guest = new TestGuest();
        guest.Device.Restore(state);
        return guest.Calls.Calls.Length;
    }
}
