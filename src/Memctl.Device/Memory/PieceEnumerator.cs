namespace Memctl.Device.Memory;

/// <summary>A part of a range that lies in one region.</summary>
/// <param name="GuestAddress">Guest-physical.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Region">The region that it lies in.</param>
public readonly record struct Piece(ulong GuestAddress, ulong Length, MemoryRegion Region)
{
    /// <summary>Guest-physical address past the last byte.</summary>
    public ulong End => GuestAddress + Length;

    /// <summary>Where the piece is mapped in this process.</summary>
    public nuint HostAddress => Region.HostAddressOf(GuestAddress);

    /// <summary>The part of this piece in [start, end), which must meet it.</summary>
    public Piece Within(ulong start, ulong end)
    {
        ulong from = Math.Max(GuestAddress, start);
        return new Piece(from, Math.Min(End, end) - from, Region);
    }
}

/// <summary>Walks a range region by region, without allocating.</summary>
public ref struct PieceEnumerator
{
    private readonly ReadOnlySpan<MemoryRegion> _regions;
    private int _index;
    private ulong _next;
    private ulong _left;

    internal PieceEnumerator(ReadOnlySpan<MemoryRegion> regions, int index, ulong address, ulong length)
    {
        _regions = regions;
        _index = index;
        _next = address;
        _left = length;
    }

    /// <summary>The piece that <see cref="MoveNext"/> came to.</summary>
    public Piece Current { get; private set; }

    /// <summary>The enumerator itself, so that <c>foreach</c> takes it.</summary>
    public readonly PieceEnumerator GetEnumerator() => this;

    /// <summary>Goes to the next region's piece; false past the end of the range.</summary>
    public bool MoveNext()
    {
        if (_left == 0)
        {
            return false;
        }

        MemoryRegion region = _regions[_index++];
        ulong length = Math.Min(_left, region.End - _next);
        Current = new Piece(_next, length, region);
        _next += length;
        _left -= length;
        return true;
    }
}
