using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Memctl.Device.Attributes;
using Memctl.Device.Host;

namespace Memctl.Device.State;

/// <summary>
/// A <see cref="DeviceState"/> as bytes: a header (magic, format version, length), the fields in order, little-endian, and a CRC-32C of
/// all before it. The checksum finds damage; it does not prove who wrote the state, so every field is checked as well.
/// </summary>
public static class DeviceStateCodec
{
    /// <summary>The newest format that this code reads, and the one that it writes.</summary>
    public const uint FormatVersion = 1;

    private const ulong Magic = 0x5641_534C_5443_4D4D; // "MMCTLSAV"
    private const int HeaderSize = 16;
    private const int ChecksumSize = 4;
    private const int ExtentSize = 28;

    /// <summary>Writes a state.</summary>
    public static byte[] Encode(DeviceState state)
    {
        // Every field by name: one that is added to the record and not here does not compile.
        (string dialect, ulong pageSize, TransportState transport, ulong payload,
            IReadOnlyList<ulong> buffers, IReadOnlyList<AttributeExtent> extents) = state;
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        writer.Write(FormatVersion);
        writer.Write(0u);
        writer.Write((byte)dialect.Length);
        writer.Write(Encoding.ASCII.GetBytes(dialect));
        writer.Write(pageSize);
        writer.Write((byte)transport);
        writer.Write(payload);
        writer.Write(buffers.Count);
        foreach (ulong buffer in buffers)
        {
            writer.Write(buffer);
        }

        writer.Write(extents.Count);
        foreach ((ulong start, ulong end, PageAttributes attributes) in extents)
        {
            (MemoryProtection denied, bool locked, bool dontDump, Merging merging, ulong name) = attributes;
            writer.Write(start);
            writer.Write(end);
            writer.Write((byte)denied);
            writer.Write(locked);
            writer.Write(dontDump);
            writer.Write((byte)merging);
            writer.Write(name);
        }

        byte[] bytes = new byte[stream.Length + ChecksumSize];
        stream.ToArray().CopyTo(bytes, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), (uint)bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - ChecksumSize), Crc32C(bytes.AsSpan(..^ChecksumSize)));
        return bytes;
    }

    /// <summary>Reads a state, which may hold anything. What fits no device at all is refused here; the device checks the rest.</summary>
    /// <exception cref="DeviceException">The bytes are no state, or one that was damaged.</exception>
    public static DeviceState Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize + ChecksumSize || BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Magic)
        {
            throw new DeviceException(DeviceFault.InvalidState, "These bytes are not the saved state of a memctl device.");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (version is 0 or > FormatVersion)
        {
            throw new DeviceException(
                DeviceFault.InvalidState,
                $"The saved state has format version {version}; this memctl device reads version {FormatVersion} and older.");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]) != (uint)bytes.Length ||
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[^ChecksumSize..]) != Crc32C(bytes[..^ChecksumSize]))
        {
            throw new DeviceException(DeviceFault.InvalidState, "The saved state is damaged: its length or its checksum is wrong.");
        }

        var reader = new StateReader(bytes[HeaderSize..^ChecksumSize]);
        string dialect = Encoding.ASCII.GetString(reader.Bytes(reader.Byte()));
        ulong pageSize = reader.UInt64();
        TransportState transport = reader.Enum(TransportState.Ready);
        ulong payload = reader.UInt64();
        var buffers = new ulong[reader.Count(sizeof(ulong))];
        for (int index = 0; index < buffers.Length; index++)
        {
            buffers[index] = reader.UInt64();
        }

        var extents = new AttributeExtent[reader.Count(ExtentSize)];
        for (int index = 0; index < extents.Length; index++)
        {
            extents[index] = new AttributeExtent(reader.UInt64(), reader.UInt64(), new PageAttributes(
                reader.Enum(MemoryProtection.ReadWrite), reader.Bool(), reader.Bool(), reader.Enum(Merging.Unmergeable), reader.UInt64()));
        }

        reader.ExpectEnd();
        return new DeviceState(dialect, pageSize, transport, payload, buffers, extents);
    }

    private static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte next in bytes)
        {
            crc = BitOperations.Crc32C(crc, next);
        }

        return ~crc;
    }
}
