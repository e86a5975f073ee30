using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.State;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.State;

/// <summary>States that other versions wrote, from the files in Saved: a fleet rolls forward and back.</summary>
public sealed class SavedStateTests
{
    private const ulong Page = Wire.Page;

    private static readonly DeviceState _connected = new(
        "memctl", 4096, TransportState.Ready, 0x1122334455667788, [TestGuest.Far, TestGuest.Far + 32, TestGuest.Far + 64],
        [
            Extent(TestGuest.Low, 1, default(PageAttributes) with { Locked = true }),
            Extent(TestGuest.Low + Page, 1, default(PageAttributes) with { Locked = true, Denied = MemoryProtection.ReadWrite }),
            Extent(TestGuest.Low + (6 * Page), 1, default(PageAttributes) with { Denied = MemoryProtection.Write }),
            Extent(TestGuest.High - Page, 2, default(PageAttributes) with { DontDump = true }),
            Extent(TestGuest.High + (4 * Page), 1, default(PageAttributes) with { Merging = Merging.Unmergeable }),
            Extent(TestGuest.Far + Page, 1, default(PageAttributes) with { Name = ulong.MaxValue }),
        ]);

    private static readonly DeviceState _disconnected = new("pvmemcontrol", 4096, TransportState.Disconnected, 0, [], []);

    /// <summary>Each file that a device of this version restores, with what is in it.</summary>
    private static readonly Dictionary<string, DeviceState> _restored = new()
    {
        ["1.0"] = _connected,
        ["1.0-disconnected"] = _disconnected,
        ["1.7"] = _connected,
    };

    private static string Current => $"{DeviceStateCodec.FormatMajor}.{DeviceStateCodec.FormatMinor}";

    /// <summary>Their names.</summary>
    public static TheoryData<string> Restored => [.. _restored.Keys];

    [Theory]
    [MemberData(nameof(Restored))]
    public void Restore_OfAStateOfAnyVersion_GivesTheGuestAllItHad(string file)
    {
        DeviceState expected = _restored[file];
        var guest = new TestGuest($"dialect={expected.Dialect}");

        guest.Device.Restore(DeviceStateCodec.Decode(Read(file)));

        StateCodecTests.AssertSame(expected, guest.Device.Save());
    }

    [Fact]
    public void Encode_OfTheSavedGuests_IsTheirFilesOfThisVersion()
    {
        Assert.Equal(Read(Current), DeviceStateCodec.Encode(_connected));
        Assert.Equal(Read($"{Current}-disconnected"), DeviceStateCodec.Encode(_disconnected));
    }

    [Fact]
    public void Saved_HasEveryMinorVersionSoFar()
    {
        for (int minor = 0; minor <= DeviceStateCodec.FormatMinor; minor++)
        {
            Assert.Contains($"{DeviceStateCodec.FormatMajor}.{minor}", _restored.Keys);
        }
    }

    [Fact]
    public void Decode_OfAStateThatNeedsWhatIsUnknown_NamesAllOfIt()
    {
        DeviceException exception = Assert.Throws<DeviceException>(() => DeviceStateCodec.Decode(Read("1.7-needs")));

        Assert.Equal(DeviceFault.InvalidState, exception.Fault);
        Assert.Contains("version 1.7, needs 'quota', 'shadow.pages'", exception.Message, StringComparison.Ordinal);
        Assert.Contains($"version {Current}, lacks", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Decode_OfAnotherMajorVersion_NamesBothVersions()
    {
        DeviceException exception = Assert.Throws<DeviceException>(() => DeviceStateCodec.Decode(Read("2.0")));

        Assert.Contains("version 2.0", exception.Message, StringComparison.Ordinal);
        Assert.Contains($"reads version {DeviceStateCodec.FormatMajor},", exception.Message, StringComparison.Ordinal);
    }

    private static AttributeExtent Extent(ulong start, ulong pages, PageAttributes attributes) =>
        new(start, start + (pages * Page), attributes);

    private static byte[] Read(string file)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "State", "Saved", $"{file}.hex");
        return Convert.FromHexString(string.Concat(File.ReadLines(path).Select(line => line.Split('#')[0].Trim())));
    }
}
