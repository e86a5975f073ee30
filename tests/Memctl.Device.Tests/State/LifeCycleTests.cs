using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.State;

/// <summary>Who reverts what a guest has set, and when: protocol, "Life cycle".</summary>
public sealed class LifeCycleTests
{
    private const ulong Page = Wire.Page;

    public static TheoryData<string, bool> Events => new()
    {
        { "RESET", true },
        { "RESET, REGISTER", true },
        { "RESET, REGISTER, READY", false },
        { "RESET, READY", false },
        { "DISCONNECT", false },
        { "a second READY, refused", true },
        { "ACK, refused", true },
        { "REGISTER outside of RAM, refused", true },
        { "RESET, DISCONNECT", false },
        { "reset of the machine", false },
    };

    [Theory]
    [MemberData(nameof(Events))]
    public void Attributes_AfterAnEvent_AreThereOrReverted(string what, bool kept)
    {
        TestGuest guest = GuestWithEveryAttribute();

        Do(guest, what);

        Assert.Equal(kept, guest.Device.Attributes().Count > 0);
        string[] calls = [.. guest.Calls.Calls.Select(call => call.ToString())];
        if (kept)
        {
            Assert.Empty(calls);
            return;
        }

        // In the order of PageAttributes.Kinds; the VMM has advised nothing.
        Assert.Equal(
            [
                "Unmergeable(700000000000, 1000)", "DoDump(700000001000, 1000)", "name(700000002000, 1000, \"\")",
                "munlock(700000003000, 1000)", "mprotect 3(700000004000, 1000)",
            ],
            calls);
        Assert.Equal(0u, guest.Counter("splits"));
        Assert.Equal(0u, guest.Counter("inaccessible_bytes"));
        Assert.Equal(0u, guest.Counter("locked_bytes"));
    }

    /// <summary>The kernel refuses to revert: the driver is answered all the same, the map keeps the page, and the log says so.</summary>
    [Theory]
    [InlineData("DISCONNECT", Wire.ERROR)]
    [InlineData("RESET, REGISTER, READY", Wire.ACK)]
    public void Attributes_ThatTheKernelDoesNotRevert_StayInTheMap(string what, uint answer)
    {
        TestGuest guest = GuestWithEveryAttribute();
        guest.Calls.Answer = call => call.What.StartsWith("mprotect", StringComparison.Ordinal) ? Wire.ENOMEM : 0;

        Do(guest, what);

        Assert.Equal(answer, guest.ReadCommand());
        AttributeExtent left = Assert.Single(guest.Device.Attributes());
        Assert.Equal(MemoryProtection.None, left.Attributes.Protection);
        Assert.Contains(guest.Log.Records, record => record.Text.Contains("could not be made as it was registered", StringComparison.Ordinal));
    }

    [Fact]
    public void Destruction_OfTheDevice_TouchesNoMemory()
    {
        TestGuest guest = GuestWithEveryAttribute();

        guest.Device.Stop();

        Assert.Empty(guest.Calls.Calls);
    }

    /// <summary>Private memory of each protection: what access the VMM has while it reads, while it pins, and afterwards.</summary>
    [Theory]
    [InlineData("MPROTECT_NONE", 1)]
    [InlineData("MPROTECT_R", null)]
    [InlineData("MPROTECT_W", 3)]
    public void Keep_WhileOn_AddsAccessToEachProtection(string function, int? readable)
    {
        const int accessible = 3;
        TestGuest guest = TestGuest.Connected();
        guest.Request(function, TestGuest.Low, Page);
        int own = function switch { "MPROTECT_NONE" => 0, "MPROTECT_R" => 1, _ => 2 };

        Assert.Equal(readable, AccessAfter(guest, () => guest.Device.KeepReadable(true)));
        Assert.Equal(accessible, AccessAfter(guest, () => guest.Device.KeepAccessible(true)));
        Assert.Equal(accessible, AccessAfter(guest, () => guest.Device.KeepReadable(false)));
        Assert.Equal(own, AccessAfter(guest, () => guest.Device.KeepAccessible(false)));
        Assert.Equal((MemoryProtection)own, Assert.Single(guest.Device.Attributes()).Attributes.Protection);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Fault_InAProtectedExtent_OpensAllOfItOrAll(bool known)
    {
        TestGuest guest = TestGuest.Connected("on_fault=open");
        guest.Request("MPROTECT_NONE", TestGuest.High - Page, 2 * Page);
        guest.Request("MPROTECT_R", TestGuest.Low, Page);
        guest.Calls.Clear();

        guest.Device.ResolveFault(known ? TestGuest.High + 8 : null);

        string[] opened = ["mprotect 3(70000000f000, 1000)", "mprotect 3(710000000000, 1000)"];
        string[] calls = [.. guest.Calls.Calls.Select(call => call.ToString())];
        Assert.Equal(known ? opened : ["mprotect 3(700000000000, 1000)", .. opened], calls);
        Assert.Equal(known ? 1 : 0, guest.Device.Attributes().Count);
        Assert.Equal((known ? 2ul : 3ul) * Page, guest.Counter("opened_bytes"));
        Assert.Contains(guest.Log.Records, record => record.Text.Contains("made accessible", StringComparison.Ordinal));
        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(
            () => guest.Device.ResolveFault(known ? TestGuest.High + 8 : null)).Fault);
    }

    [Theory]
    [InlineData(TestGuest.Low + Page)]
    [InlineData(TestGuest.HighEnd)]
    [InlineData(0ul)]
    [InlineData(ulong.MaxValue - 1)]
    public void Fault_WhereNothingIsProtected_OpensNothing(ulong address)
    {
        TestGuest guest = TestGuest.Connected("on_fault=open");
        guest.Request("MPROTECT_NONE", TestGuest.Low, Page);
        guest.Request("MLOCK", TestGuest.Low + Page, Page);
        guest.Calls.Clear();

        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(() => guest.Device.ResolveFault(address)).Fault);

        Assert.Empty(guest.Calls.Calls);
    }

    [Theory]
    [InlineData("")]
    [InlineData("on_fault=stop")]
    public void Fault_WhereTheOperatorWantsAStop_OpensNothing(string options)
    {
        TestGuest guest = TestGuest.Connected(options);
        guest.Request("MPROTECT_NONE", TestGuest.Low, Page);
        guest.Calls.Clear();

        Assert.Equal(DeviceFault.Denied, Assert.Throws<DeviceException>(() => guest.Device.ResolveFault(TestGuest.Low)).Fault);

        Assert.Empty(guest.Calls.Calls);
    }

    [Theory]
    [InlineData("", RegionTraits.None, false)]
    [InlineData("", RegionTraits.Mergeable, true)]
    [InlineData(",allow=[MERGEABLE]", RegionTraits.None, true)]
    [InlineData(",allow=merge", RegionTraits.None, true)]
    [InlineData(",allow=lock", RegionTraits.Mergeable, false)]
    [InlineData(",deny=lock", RegionTraits.None, false)]
    public void Mergeable_WithoutTheOperatorsWord_IsDenied(string options, RegionTraits traits, bool allowed)
    {
        var guest = new TestGuest("dialect=pvmemcontrol" + options, mayMerge: false);
        guest.Connect(TestGuest.BufferOf(0));
        guest.AddRegion(0x100000, 4 * Page, 0x7300_0000_0000, traits);

        byte[] answer = guest.Request("MERGEABLE", 0x100000 + Page, Page);

        Assert.Equal(allowed ? Wire.Answer(0) : Wire.Answer(Wire.EPERM, (uint)guest.Code("MERGEABLE")), answer);
        Assert.Equal(allowed ? 1 : 0, guest.Calls.Calls.Length);
    }

    private static TestGuest GuestWithEveryAttribute()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("UNMERGEABLE", TestGuest.Low, Page);
        guest.Request("DONTDUMP", TestGuest.Low + Page, Page);
        guest.Request("SET_VMA_ANON_NAME", TestGuest.Low + (2 * Page), Page, 7);
        guest.Request("MLOCK", TestGuest.Low + (3 * Page), Page);
        guest.Request("MPROTECT_NONE", TestGuest.Low + (4 * Page), Page);
        guest.Calls.Clear();
        return guest;
    }

    /// <summary>The bits of the one call of mprotect(2) that a change causes; null if it causes none.</summary>
    private static int? AccessAfter(TestGuest guest, Action change)
    {
        guest.Calls.Clear();
        change();
        return guest.Calls.Calls.Length == 0 ? null : Assert.Single(guest.Calls.Calls).What["mprotect ".Length] - '0';
    }

    private static void Do(TestGuest guest, string what)
    {
        switch (what)
        {
            case "a second READY, refused":
                guest.Command(Wire.READY);
                break;
            case "ACK, refused":
                guest.Command(Wire.ACK);
                break;
            case "REGISTER outside of RAM, refused":
                guest.Command(Wire.RESET);
                guest.Register(0);
                break;
            case "reset of the machine":
                guest.Device.Reset();
                break;
            default:
                foreach (string command in what.Split(", "))
                {
                    switch (command)
                    {
                        case "RESET":
                            guest.Command(Wire.RESET);
                            break;
                        case "REGISTER":
                            guest.Register(TestGuest.Far);
                            break;
                        case "READY":
                            guest.Command(Wire.READY);
                            break;
                        default:
                            guest.Command(Wire.DISCONNECT);
                            break;
                    }
                }

                break;
        }
    }
}
