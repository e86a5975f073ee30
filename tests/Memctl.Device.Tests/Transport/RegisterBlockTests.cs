using System.Buffers.Binary;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Transport;

/// <summary>Every register in every width and direction (protocol, "Registers").</summary>
public sealed class RegisterBlockTests
{
    private const ulong Stored = 0x1122334455667788;

    private static readonly int[] _widths = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 64];
    private static readonly ulong[] _offsets =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 4088, 4095, 1ul << 32, (1ul << 32) + 8, ulong.MaxValue - 3, ulong.MaxValue];

    /// <summary>Every offset of the block and some past it, in every width.</summary>
    public static TheoryData<ulong, int> Accesses
    {
        get
        {
            var data = new TheoryData<ulong, int>();
            foreach (ulong offset in _offsets)
            {
                foreach (int width in _widths)
                {
                    data.Add(offset, width);
                }
            }

            return data;
        }
    }

    /// <summary>The accesses to which the protocol gives no meaning.</summary>
    public static TheoryData<ulong, int> IgnoredWrites
    {
        get
        {
            var data = new TheoryData<ulong, int>();
            foreach (ulong offset in _offsets)
            {
                foreach (int width in _widths)
                {
                    if ((offset, width) is not ((0, 4) or (0, 8) or (4, 4) or (8, 4)))
                    {
                        data.Add(offset, width);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Accesses))]
    public void Read_OfAnyOffsetAndWidth_IsTheBlockWithZerosPastIt(ulong offset, int width)
    {
        var guest = new TestGuest();
        guest.StorePayload(Stored);
        guest.Command(Wire.RESET);
        byte[] block = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(block, Stored);
        BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(8), Wire.ACK);
        byte[] read = new byte[width];
        read.AsSpan().Fill(0xEE);

        guest.Device.MmioRead(offset, read);

        byte[] expected = new byte[width];
        for (int index = 0; index < width && offset < 16 && (int)offset + index < 16; index++)
        {
            expected[index] = block[(int)offset + index];
        }

        Assert.Equal(expected, read);
        Assert.Equal(0u, guest.Counter("ignored_accesses"));
    }

    [Theory]
    [MemberData(nameof(IgnoredWrites))]
    public void Write_WithoutMeaning_IsCountedAndChangesNothing(ulong offset, int width)
    {
        TestGuest guest = TestGuest.Connected();
        guest.StorePayload(Stored);
        byte[] data = new byte[width];
        data.AsSpan().Fill(0xD2);

        Assert.False(guest.Device.MmioWrite(offset, data));

        Assert.Equal(Stored, guest.ReadPayload());
        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
        Assert.Equal(1u, guest.Counter("ignored_accesses"));
        Assert.Equal(1, guest.Log.CountOf(200));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Command_InAnotherWidth_IsIgnoredEvenIfItHoldsReset(int width)
    {
        TestGuest guest = TestGuest.Connected();
        byte[] data = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(data, Wire.RESET);

        Assert.False(guest.Device.MmioWrite(8, data.AsSpan(0, width)));

        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
    }

    [Theory]
    [InlineData("8")]
    [InlineData("low,high")]
    [InlineData("high,low")]
    public void Payload_StoredInAnyOrder_IsWhatRegisterTakes(string order)
    {
        var guest = new TestGuest();
        guest.Command(Wire.RESET);
        guest.StorePayload(ulong.MaxValue);
        const ulong Buffer = 0x5_0000_0000;
        guest.AddRegion(Buffer, Wire.Page, 0x7300_0000_0000);

        foreach (string part in order.Split(','))
        {
            Store(guest, part, Buffer);
        }

        Assert.Equal(Buffer, guest.ReadPayload());
        guest.Command(Wire.REGISTER);
        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Equal([Buffer], guest.Device.Save().BufferAddresses);
    }

    [Theory]
    [InlineData("low", 0xFFFF_FFFF_0000_0000u)]
    [InlineData("high", 0x0000_0000_FFFF_FFFFu)]
    public void Payload_HalfStored_KeepsTheOtherHalf(string half, ulong expected)
    {
        var guest = new TestGuest();
        guest.StorePayload(ulong.MaxValue);

        Store(guest, half, 0);

        Assert.Equal(expected, guest.ReadPayload());
    }

    [Theory]
    [InlineData(0x0u)]
    [InlineData(0x1u)]
    [InlineData(0x060FE6D3u)]
    [InlineData(0x7FFFFFFFu)]
    public void Command_OfNoKnownValue_IsCountedAndChangesNothing(uint value)
    {
        TestGuest guest = TestGuest.Connected();

        Assert.False(guest.Command(value));

        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Equal(1u, guest.Counter("ignored_accesses"));
        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
    }

    private static void Store(TestGuest guest, string part, ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        (ulong offset, Range range) = part switch
        {
            "8" => (0ul, 0..8),
            "low" => (0ul, 0..4),
            _ => (4ul, 4..8),
        };
        Assert.True(guest.Device.MmioWrite(offset, bytes.AsSpan(range)));
    }
}
