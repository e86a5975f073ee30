using System.Runtime.CompilerServices;
namespace Memctl.Device.Memory;

/// <summary>
/// Guest RAM at one moment (protocol, "Ranges"): regions sorted by guest-physical address, none overlapping. The list is
/// immutable, so that a vCPU reads it without a lock; a change of regions makes a new map, a change of blocks sets bits in a
/// region.
/// </summary>
public sealed class RegionMap
{
    /// <summary>
    /// The maximum number of mappings that guest RAM may consist of. Memory that comes and goes in small parts is one region with
    /// blocks.
    /// </summary>
    public const int MaxRegions = 4096;

    // What a search reads, side by side; of the same order as the regions.
    private readonly Entry[] _entries;
    private readonly MemoryRegion[] _regions;

    private RegionMap(MemoryRegion[] regions)
    {
        _regions = regions;
        _entries = new Entry[regions.Length];
        for (int index = 0; index < regions.Length; index++)
        {
            _entries[index] = new Entry(regions[index]);
        }
    }

    /// <summary>A guest without RAM.</summary>
    public static RegionMap Empty { get; } = new([]);

    /// <summary>The regions in the order of their guest-physical addresses.</summary>
    public ReadOnlySpan<MemoryRegion> Regions => _regions;

    /// <summary>
    /// A map with one more region, or null if it overlaps one that is there: for the guest, or in this process, where what is
    /// done to one address would be done to the other.
    /// </summary>
    public RegionMap? With(MemoryRegion region)
    {
        int at = IndexAfter(region.GuestAddress);
        if (Array.Exists(_regions, region.SharesHostMemoryWith) ||
            (at > 0 && _regions[at - 1].End > region.GuestAddress) ||
            (at < _regions.Length && region.End > _regions[at].GuestAddress))
        {
            return null;
        }

        return new RegionMap([.. _regions.AsSpan(0, at), region, .. _regions.AsSpan(at)]);
    }

    /// <summary>A map without this region.</summary>
    public RegionMap Without(MemoryRegion region) => new(Array.FindAll(_regions, other => other != region));

    /// <summary>The region registered with exactly this address and length, or null.</summary>
    public MemoryRegion? FindExact(ulong guestAddress, ulong length) =>
        Find(guestAddress) is { } region && region.GuestAddress == guestAddress && region.Length == length ? region : null;

    /// <summary>The region that contains this guest-physical address, present or not, or null.</summary>
    public MemoryRegion? Find(ulong guestAddress)
    {
        int index = IndexAfter(guestAddress) - 1;
        return index >= 0 && guestAddress < _regions[index].End ? _regions[index] : null;
    }

    /// <summary>
    /// Whether every byte of [address, address + length) is guest RAM, over adjoining regions too. An empty range needs its
    /// address in RAM.
    /// </summary>
    public bool Covers(ulong address, ulong length)
    {
        MemoryRegion[] regions = _regions;
        ulong end = address + Math.Max(length, 1);
        int index = IndexAfter(address) - 1;
        if (end <= address || index < 0 || address >= regions[index].End)
        {
            return false;
        }

        for (ulong next = address; ; index++)
        {
            ulong to = Math.Min(end, regions[index].End);
            if (!regions[index].IsPresent(next, to))
            {
                return false;
            }

            if (to == end)
            {
                return true;
            }

            if (index + 1 == regions.Length || regions[index + 1].GuestAddress != to)
            {
                return false;
            }

            next = to;
        }
    }

    /// <summary>
    /// Where a range is mapped that is not empty and all RAM of one region, as it nearly always is; 0 for any other.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nuint HostAddressOf(ulong address, ulong length)
    {
        Entry[] entries = _entries;
        int index = IndexAfter(address) - 1;
        if ((uint)index < (uint)entries.Length)
        {
            ref readonly Entry entry = ref entries[index];
            ulong end = address + length;
            if (end > address && end <= entry.End && (entry.WithBlocks is null || entry.WithBlocks.IsPresent(address, end)))
            {
                return entry.HostAddress + (nuint)(address - entry.GuestAddress);
            }
        }

        return 0;
    }

    /// <summary>The segments of a range, in order. The range must be covered (see <see cref="Covers"/>).</summary>
    public SegmentEnumerator Segments(ulong address, ulong length) => new(_regions, IndexAfter(address) - 1, address, length);

    /// <summary>
    /// Guest RAM that is present, in order, neighbours joined where they are neighbours in this process too; at most
    /// <paramref name="limit"/> segments, from the lowest address on. May run beside changes of blocks.
    /// </summary>
    public IReadOnlyList<MemorySegment> Present(int limit)
    {
        var segments = new List<MemorySegment>();
        foreach (MemoryRegion region in _regions)
        {
            for (ulong next = region.GuestAddress; next < region.End;)
            {
                (ulong start, ulong end) = region.NextPresent(next);
                next = end;
                if (start == end)
                {
                    continue;
                }

                var segment = new MemorySegment(start, end - start, region.HostAddressOf(start), region.Traits);
                if (segments is [.., { } last] && last.End == start && last.HostAddress + (nuint)last.Length == segment.HostAddress)
                {
                    segments[^1] = last with { Length = last.Length + segment.Length };
                }
                else if (segments.Count < limit)
                {
                    segments.Add(segment);
                }
                else
                {
                    return segments;
                }
            }
        }

        return segments;
    }

    /// <summary>The regions that a covered range touches, in order.</summary>
    public ReadOnlySpan<MemoryRegion> RegionsOf(ulong address, ulong length)
    {
        int first = IndexAfter(address) - 1;
        return _regions.AsSpan(first..IndexAfter(address + length - 1));
    }

    /// <summary>Whether the VMM advised every region that a range touches MADV_MERGEABLE.</summary>
    public bool IsMergeable(ulong address, ulong length)
    {
        // A state that is checked may name what is not all RAM: the region before it may end before it.
        foreach (MemoryRegion region in _regions.AsSpan(Math.Max(IndexAfter(address) - 1, 0)..IndexAfter(address + length - 1)))
        {
            if (address < region.End && (region.Traits & RegionTraits.Mergeable) == 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The index of the first region that starts past this address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int IndexAfter(ulong guestAddress)
    {
        Entry[] entries = _entries;
        int low = 0;
        int high = entries.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (entries[middle].GuestAddress <= guestAddress)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private readonly struct Entry(MemoryRegion region)
    {
        internal readonly ulong GuestAddress = region.GuestAddress;
        internal readonly ulong End = region.End;
        internal readonly nuint HostAddress = region.HostAddressOf(region.GuestAddress);
        internal readonly MemoryRegion? WithBlocks = region.Blocks != 0 ? region : null;
    }
}
