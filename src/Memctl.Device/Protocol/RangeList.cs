using System.Buffers.Binary;

namespace Memctl.Device.Protocol;

/// <summary>A range of guest-physical memory, as a list carries it (<c>memctl_range</c>).</summary>
/// <param name="Addr">Guest-physical address.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct GuestRange(ulong Addr, ulong Length);

/// <summary>The entries of a list of ranges, in a copy that the guest can't change (protocol, "Lists of ranges").</summary>
/// <param name="bytes">The copy, a multiple of <see cref="EntrySize"/>.</param>
public readonly ref struct RangeList(ReadOnlySpan<byte> bytes)
{
    /// <summary>Bytes of an entry; a list's address and size are multiples of it.</summary>
    public const int EntrySize = 16;

    /// <summary>The maximum size of a list in bytes: 256 ranges.</summary>
    public const int MaxSize = 4096;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>How many entries there are.</summary>
    public int Count => _bytes.Length / EntrySize;

    /// <summary>An entry, from 0.</summary>
    public GuestRange this[int index] => new(
        BinaryPrimitives.ReadUInt64LittleEndian(_bytes[(index * EntrySize)..]),
        BinaryPrimitives.ReadUInt64LittleEndian(_bytes[((index * EntrySize) + 8)..]));
}
