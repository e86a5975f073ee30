using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Memctl.Device.Attributes;
using Memctl.Device.Host;

namespace Memctl.Device.State;

/// <summary>
/// A <see cref="DeviceState"/> as bytes, little-endian: a header, named sections, and a CRC-32C of all before it
/// (docs/saved-state.md). The checksum finds damage; it does not prove who wrote the state, so every field is checked as well.
/// </summary>
/// <remarks>
/// A fleet rolls back, so an older device reads what a newer one wrote: it skips what it does not know, sections and the ends of
/// sections, unless the section is one that the state needs. What a guest would miss goes into a section that is needed, and only
/// where there is something to miss.
/// </remarks>
public static partial class DeviceStateCodec
{
    /// <summary>A state of another major version is refused.</summary>
    public const ushort FormatMajor = 1;

    /// <summary>
    /// Of the same major version: what is written, not what can be read. Changes when a section or a field is added.
    /// </summary>
    public const ushort FormatMinor = 0;

    private const ulong Magic = 0x5641_534C_5443_4D4D; // "MMCTLSAV"
    private const int HeaderSize = 20;
    private const int LengthOffset = 12;
    private const int ChecksumSize = 4;
    private const int ExtentSize = 28;

    private const string Device = "device";
    private const string Transport = "transport";
    private const string Attributes = "attributes";

    /// <summary>Writes a state.</summary>
    public static byte[] Encode(DeviceState state)
    {
        // Every field by name: one that is added to the record and not here does not compile.
        (string dialect, ulong pageSize, TransportState transport, ulong payload,
            IReadOnlyList<ulong> buffers, IReadOnlyList<AttributeExtent> extents) = state;
        var sections = new StateWriter();
        sections.Add(Device, needed: true, writer =>
        {
            writer.Write((byte)dialect.Length);
            writer.Write(Encoding.ASCII.GetBytes(dialect));
            writer.Write(pageSize);
        });
        sections.Add(Transport, needed: true, writer =>
        {
            writer.Write((byte)transport);
            writer.Write(payload);
            writer.Write(buffers.Count);
            foreach (ulong buffer in buffers)
            {
                writer.Write(buffer);
            }
        });
        if (extents.Count != 0)
        {
            sections.Add(Attributes, needed: true, writer => WriteExtents(writer, extents));
        }

        ushort minor = FormatMinor;
        AddLater(sections, extents, ref minor);
        return Seal(sections, minor);
    }

    /// <summary>
    /// Reads a state, which may hold anything. What fits no device at all is refused here; the device checks the rest.
    /// </summary>
    /// <exception cref="DeviceException">
    /// The bytes are no state, one that was damaged, or one that needs what this code lacks.
    /// </exception>
    public static DeviceState Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize + ChecksumSize || BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Magic)
        {
            throw new DeviceException(DeviceFault.InvalidState, "These bytes are not the saved state of a memctl device.");
        }

        ushort major = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]);
        ushort minor = BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        if (major != FormatMajor)
        {
            throw new DeviceException(
                DeviceFault.InvalidState,
                $"The saved state has format version {major}.{minor}; this memctl device reads version {FormatMajor}, of any minor version.");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[LengthOffset..]) != (uint)bytes.Length ||
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[^ChecksumSize..]) != Crc32C(bytes[..^ChecksumSize]))
        {
            throw new DeviceException(DeviceFault.InvalidState, "The saved state is damaged: its length or its checksum is wrong.");
        }

        var sections = new StateSections(
            bytes[HeaderSize..^ChecksumSize], BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]), [Device, Transport, Attributes]);
        if (sections.Lacking.Count != 0)
        {
            throw new DeviceException(
                DeviceFault.InvalidState,
                $"The saved state, of format version {major}.{minor}, needs {string.Join(", ", sections.Lacking)}; this memctl device, " +
                $"of format version {FormatMajor}.{FormatMinor}, lacks that.");
        }

        StateReader device = sections.Read(Device);
        string dialect = Encoding.ASCII.GetString(device.Bytes(device.Byte()));
        ulong pageSize = device.UInt64();

        StateReader connection = sections.Read(Transport);
        TransportState transport = connection.Enum(TransportState.Ready);
        ulong payload = connection.UInt64();
        ulong[] buffers = new ulong[connection.Count(sizeof(ulong))];
        for (int index = 0; index < buffers.Length; index++)
        {
            buffers[index] = connection.UInt64();
        }

        AttributeExtent[] extents = sections.Has(Attributes) ? ReadExtents(sections.Read(Attributes)) : [];
        return new DeviceState(dialect, pageSize, transport, payload, buffers, extents);
    }

    /// <summary>A place for a later version's sections, so that a test can build a library that writes some.</summary>
    static partial void AddLater(StateWriter sections, IReadOnlyList<AttributeExtent> extents, ref ushort minor);

    private static void WriteExtents(BinaryWriter writer, IReadOnlyList<AttributeExtent> extents)
    {
        writer.Write(extents.Count);
        foreach ((ulong start, ulong end, PageAttributes attributes) in extents)
        {
            writer.Write(start);
            writer.Write(end);
            writer.Write((byte)attributes.Denied);
            writer.Write(attributes.Locked);
            writer.Write(attributes.DontDump);
            writer.Write((byte)attributes.Merging);
            writer.Write(attributes.Name);
        }
    }

    private static AttributeExtent[] ReadExtents(StateReader reader)
    {
        var extents = new AttributeExtent[reader.Count(ExtentSize)];
        for (int index = 0; index < extents.Length; index++)
        {
            // In the order of the bytes.
            extents[index] = new AttributeExtent(reader.UInt64(), reader.UInt64(), new PageAttributes
            {
                Denied = reader.Enum(MemoryProtection.ReadWrite),
                Locked = reader.Bool(),
                DontDump = reader.Bool(),
                Merging = reader.Enum(Merging.Unmergeable),
                Name = reader.UInt64(),
            });
        }

        return extents;
    }

    private static byte[] Seal(StateWriter sections, ushort minor)
    {
        byte[] content = sections.ToArray();
        byte[] bytes = new byte[HeaderSize + content.Length + ChecksumSize];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), FormatMajor);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(10), minor);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(LengthOffset), (uint)bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(16), sections.Count);
        content.CopyTo(bytes, HeaderSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - ChecksumSize), Crc32C(bytes.AsSpan(..^ChecksumSize)));
        return bytes;
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
