using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.State;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.State;

/// <summary>States as bytes: what is written is what is read, and no damage passes.</summary>
public sealed class StateCodecTests
{
    private static readonly DeviceState _rich = RichState();

    private static Gen<ulong> Word => Gen.Choose(int.MinValue, int.MaxValue).Two().Select(pair => ((ulong)(uint)pair.Item1 << 32) | (uint)pair.Item2);

    private static Gen<AttributeExtent> Run =>
        Word.SelectMany(start => Word.SelectMany(name => Gen.Choose(0, 3).SelectMany(denied => Gen.Choose(0, 11).Select(bits =>
            new AttributeExtent(start, ~start, new PageAttributes
            {
                Denied = (MemoryProtection)denied,
                Locked = bits % 2 == 1,
                DontDump = bits / 2 % 2 == 1,
                Merging = (Merging)(bits / 4),
                Name = name,
            })))));

    private static Arbitrary<DeviceState> States =>
        Word.SelectMany(payload => Gen.Choose(0, 2).SelectMany(transport => Word.ArrayOf().SelectMany(buffers => Run.ArrayOf().Select(runs =>
            new DeviceState(transport == 1 ? "pvmemcontrol" : "memctl", payload >> 3, (TransportState)transport, payload, buffers, runs)))))
            .ToArbitrary();

    [Fact]
    public void Decode_OfWhatEncodeWrote_IsTheSame() => Prop.ForAll(States, state =>
        AssertSame(state, DeviceStateCodec.Decode(DeviceStateCodec.Encode(state)))).QuickCheckThrowOnFailure();

    [Fact]
    public void Decode_OfARichState_IsTheSame() => AssertSame(_rich, DeviceStateCodec.Decode(DeviceStateCodec.Encode(_rich)));

    [Fact]
    public void Decode_WithAnyByteChangedInAnyWay_IsRefused()
    {
        byte[] bytes = DeviceStateCodec.Encode(_rich);
        for (int index = 0; index < bytes.Length; index++)
        {
            byte whole = bytes[index];
            for (int flip = 1; flip < 256; flip++)
            {
                bytes[index] = (byte)(whole ^ flip);
                AssertRefused(bytes, $"byte {index} ^ {flip:x2}");
            }

            bytes[index] = whole;
        }
    }

    [Fact]
    public void Decode_OfEveryTruncationAndExtension_IsRefused()
    {
        byte[] bytes = DeviceStateCodec.Encode(_rich);
        for (int length = 0; length < bytes.Length; length++)
        {
            AssertRefused(bytes[..length], $"first {length} bytes");
        }

        AssertRefused([.. bytes, 0], "one byte more");
        AssertRefused([.. bytes, .. bytes], "twice");
    }

    [Fact]
    public void Decode_OfEveryTruncationWithAValidChecksum_IsRefused()
    {
        byte[] bytes = DeviceStateCodec.Encode(_rich);
        for (int length = 16; length < bytes.Length - 4; length++)
        {
            AssertRefused(StateBytes.Seal([.. bytes[..length], 0, 0, 0, 0]), $"first {length} bytes, sealed");
        }

        AssertRefused(StateBytes.Seal([.. bytes, 0, 0, 0, 0]), "four bytes more, sealed");
    }

    [Fact]
    public void Decode_WithAnyByteChangedAndAValidChecksum_IsRefusedOrAnotherState()
    {
        byte[] whole = DeviceStateCodec.Encode(_rich);
        for (int index = 0; index < whole.Length - 4; index++)
        {
            foreach (byte value in new byte[] { 0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF })
            {
                byte[] bytes = [.. whole];
                bytes[index] = value;
                DecodeOrRefuse(StateBytes.Seal(bytes));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(DeviceStateCodec.FormatMajor + 1)]
    [InlineData(ushort.MaxValue)]
    public void Decode_OfAnotherMajorVersion_IsRefused(int major)
    {
        byte[] bytes = DeviceStateCodec.Encode(_rich);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)major);

        AssertRefused(StateBytes.Seal(bytes), $"version {major}");
    }

    [Theory]
    [InlineData("transport", "trans ort")]
    [InlineData("transport", "TRANSPORT")]
    [InlineData("transport", "later.one")]
    [InlineData("transport", "device")]
    [InlineData("device", "later")]
    public void Decode_WithASectionUnderAnotherName_IsRefused(string name, string other)
    {
        byte[] bytes = DeviceStateCodec.Encode(_rich);
        int at = bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes(name));
        byte[] renamed = [.. bytes[..(at - 1)], (byte)other.Length, .. Encoding.ASCII.GetBytes(other), .. bytes[(at + name.Length)..]];

        AssertRefused(StateBytes.Seal(renamed), $"{name} as {other}");

        // Not even where it would be skipped: both sections are in every state.
        renamed[at + other.Length] = 0;
        AssertRefused(StateBytes.Seal(renamed), $"{name} as {other}, not needed");
    }

    [Fact]
    public void Encode_OfAGuestsState_HoldsNoHostAddress()
    {
        TestGuest guest = TestGuest.Connected(channels: 4);
        guest.Request("MLOCK", TestGuest.Low, 4 * Wire.Page);
        byte[] bytes = DeviceStateCodec.Encode(guest.Device.Save());

        for (int at = 16; at + 8 <= bytes.Length; at++)
        {
            ulong word = BitConverter.ToUInt64(bytes, at);
            Assert.False((word >> 20) is TestGuest.LowHost >> 20 or TestGuest.HighHost >> 20 or TestGuest.FarHost >> 20, $"{word:x} at {at}");
        }
    }

    internal static DeviceState RichState()
    {
        TestGuest guest = TestGuest.Connected(channels: 3);
        Assert.Equal(0, Wire.Errno(guest.Request("MLOCK", TestGuest.Low, 4 * Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("MPROTECT_NONE", TestGuest.Low + Wire.Page, Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("MPROTECT_R", TestGuest.Low + (6 * Wire.Page), Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("DONTDUMP", TestGuest.High - Wire.Page, 2 * Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("UNMERGEABLE", TestGuest.High + (4 * Wire.Page), Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("SET_VMA_ANON_NAME", TestGuest.Far + Wire.Page, Wire.Page, ulong.MaxValue)));
        guest.StorePayload(0x1122334455667788);
        return guest.Device.Save();
    }

    internal static void AssertSame(DeviceState expected, DeviceState actual)
    {
        Assert.Equal(expected with { BufferAddresses = [], Attributes = [] }, actual with { BufferAddresses = [], Attributes = [] });
        Assert.Equal(expected.BufferAddresses, actual.BufferAddresses);
        Assert.Equal(expected.Attributes, actual.Attributes);
    }

    private static void AssertRefused(byte[] bytes, string what)
    {
        DeviceException? exception = DecodeOrRefuse(bytes);
        Assert.True(exception?.Fault == DeviceFault.InvalidState, what);
    }

    private static DeviceException? DecodeOrRefuse(byte[] bytes)
    {
        try
        {
            DeviceStateCodec.Decode(bytes);
            return null;
        }
        catch (DeviceException exception)
        {
            return exception;
        }
    }
}
