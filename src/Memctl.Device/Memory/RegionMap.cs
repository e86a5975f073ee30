namespace Memctl.Device.Memory;

/// <summary>
/// Guest RAM at one moment: regions sorted by guest-physical address, none overlapping. Immutable, so that a vCPU reads
/// it without a lock; a change makes a new map.
/// </summary>
public sealed class RegionMap
{
    /// <summary>Guest RAM may come in this many pieces.</summary>
    public const int MostRegions = 4096;

    private readonly MemoryRegion[] _regions;

    private RegionMap(MemoryRegion[] regions) => _regions = regions;

    /// <summary>A guest without RAM.</summary>
    public static RegionMap Empty { get; } = new([]);

    /// <summary>The regions in the order of their guest-physical addresses.</summary>
    public ReadOnlySpan<MemoryRegion> Regions => _regions;

    /// <summary>
    /// A map with one more region, or null if it overlaps one that is there: for the guest, or in this process, where what is done
    /// to one address would be done to the other.
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

    /// <summary>The region that holds this guest-physical address, or null.</summary>
    public MemoryRegion? Find(ulong guestAddress)
    {
        int index = IndexAfter(guestAddress) - 1;
        return index >= 0 && guestAddress < _regions[index].End ? _regions[index] : null;
    }

    /// <summary>Whether every byte of [address, address + length) is guest RAM, over adjoining regions too. An empty range needs its address in RAM.</summary>
    public bool Covers(ulong address, ulong length)
    {
        ulong end = address + length;
        if (end < address)
        {
            return false;
        }

        int index = IndexAfter(address) - 1;
        if (index < 0 || address >= _regions[index].End)
        {
            return false;
        }

        ulong covered = _regions[index].End;
        while (covered < end && ++index < _regions.Length && _regions[index].GuestAddress == covered)
        {
            covered = _regions[index].End;
        }

        return covered >= end;
    }

    /// <summary>The parts of a range in each of its regions, in order. The range must be covered (see <see cref="Covers"/>).</summary>
    public PieceEnumerator Pieces(ulong address, ulong length) => new(_regions, IndexAfter(address) - 1, address, length);

    /// <summary>The index of the first region that starts past this address.</summary>
    private int IndexAfter(ulong guestAddress)
    {
        int low = 0;
        int high = _regions.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_regions[middle].GuestAddress <= guestAddress)
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
}
