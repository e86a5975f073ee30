namespace Memctl.Device.Memory;

/// <summary>
/// A part of a range that is one stretch of host memory with the same traits, in one region or in several that adjoin.
/// </summary>
/// <param name="GuestAddress">Guest-physical.</param>
/// <param name="Length">Bytes.</param>
/// <param name="HostAddress">Where it is mapped in this process.</param>
/// <param name="Traits">How the VMM mapped it.</param>
public readonly record struct MemorySegment(ulong GuestAddress, ulong Length, nuint HostAddress, RegionTraits Traits)
{
    /// <summary>Guest-physical address past the last byte.</summary>
    public ulong End => GuestAddress + Length;

    /// <summary>The part of this segment in [start, end), which must meet it.</summary>
    public MemorySegment Within(ulong start, ulong end)
    {
        ulong from = Math.Max(GuestAddress, start);
        return this with
        {
            GuestAddress = from,
            Length = Math.Min(End, end) - from,
            HostAddress = HostAddress + (nuint)(from - GuestAddress),
        };
    }
}

/// <summary>Walks a range segment by segment, without allocating.</summary>
public ref struct SegmentEnumerator
{
    private readonly ReadOnlySpan<MemoryRegion> _regions;
    private readonly ulong _end;
    private int _index;
    private ulong _next;

    internal SegmentEnumerator(ReadOnlySpan<MemoryRegion> regions, int index, ulong address, ulong length)
    {
        _regions = regions;
        _index = index;
        _next = address;
        _end = address + length;
    }

    /// <summary>The segment that <see cref="MoveNext"/> came to.</summary>
    public MemorySegment Current { get; private set; }

    /// <summary>The enumerator itself, so that <c>foreach</c> takes it.</summary>
    public readonly SegmentEnumerator GetEnumerator() => this;

    /// <summary>Goes to the next segment; false past the end of the range.</summary>
    public bool MoveNext()
    {
        if (_next == _end)
        {
            return false;
        }

        MemoryRegion region = _regions[_index++];
        nuint host = region.HostAddressOf(_next);
        ulong end = Math.Min(_end, region.End);
        while (end < _end && _regions[_index] is { } next && next.Traits == region.Traits &&
            next.HostAddressOf(end) == host + (nuint)(end - _next))
        {
            end = Math.Min(_end, next.End);
            _index++;
        }

        Current = new MemorySegment(_next, end - _next, host, region.Traits);
        _next = end;
        return true;
    }
}
