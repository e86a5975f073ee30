using System.Numerics;
using System.Runtime.CompilerServices;

namespace Memctl.Device.Memory;

/// <summary>How the VMM had mapped a region before the guest changed anything: what "as registered" means for it.</summary>
[Flags]
public enum RegionTraits
{
    None = 0,

    /// <summary>The VMM advised it MADV_MERGEABLE.</summary>
    Mergeable = 1,

    /// <summary>The VMM advised it MADV_DONTDUMP.</summary>
    DontDump = 2,
}

/// <summary>
/// A mapping of guest RAM, in whole host pages. Memory of a region with blocks comes and goes by the block, as virtio-mem plugs
/// and unplugs it; the mapping stays.
/// </summary>
public sealed class MemoryRegion
{
    /// <summary>The maximum number of blocks in a region: one bit each, 2 MiB in all.</summary>
    public const long MaxBlocks = 1L << 24;

    private readonly nuint _hostAddress;
    private readonly int _blockShift;
    private readonly BlockMap? _blocks;

    /// <summary>Makes a region.</summary>
    /// <param name="guestAddress">Guest-physical address of its first byte.</param>
    /// <param name="length">Bytes, never 0.</param>
    /// <param name="hostAddress">Where the VMM mapped it, in this process.</param>
    /// <param name="traits">How the VMM mapped it.</param>
    /// <param name="blockSize">
    /// 0 if all of it is present, for good; else a power of two that divides address and length, and no block is present yet.
    /// </param>
    public MemoryRegion(ulong guestAddress, ulong length, nuint hostAddress, RegionTraits traits, ulong blockSize = 0)
    {
        GuestAddress = guestAddress;
        Length = length;
        Traits = traits;
        _hostAddress = hostAddress;
        if (blockSize != 0)
        {
            _blockShift = BitOperations.Log2(blockSize);
            _blocks = new BlockMap((long)(length >> _blockShift));
        }
    }

    /// <summary>Guest-physical address of its first byte.</summary>
    public ulong GuestAddress { get; }

    /// <summary>Bytes, never 0.</summary>
    public ulong Length { get; }

    /// <summary>Guest-physical address past the last byte; never wraps.</summary>
    public ulong End => GuestAddress + Length;

    /// <summary>How the VMM mapped it.</summary>
    public RegionTraits Traits { get; }

    /// <summary>How many blocks it is made of; 0 if memory does not come and go in it.</summary>
    public long Blocks => _blocks?.Count ?? 0;

    /// <summary>
    /// Whether its mapping was prepared for splits. <c>GuestAttributes</c>, whose lock guards it, says what for.
    /// </summary>
    internal bool IsReadyToSplit { get; set; }

    /// <summary>Whether a byte of this process is in both.</summary>
    public bool SharesHostMemoryWith(MemoryRegion other) =>
        _hostAddress < other._hostAddress + (nuint)other.Length && other._hostAddress < _hostAddress + (nuint)Length;

    /// <summary>The host address of a guest-physical address inside the region.</summary>
    public nuint HostAddressOf(ulong address) => _hostAddress + (nuint)(address - GuestAddress);

    /// <summary>Whether every byte of [start, end), a range inside the region that is not empty, is present.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool IsPresent(ulong start, ulong end) =>
        _blocks is null || _blocks.AllAre(true, BlockOf(start), BlockOf(end - 1) + 1);

    /// <summary>
    /// The next stretch of present memory from an address inside the region on; empty, at the region's end, if there is none.
    /// </summary>
    public (ulong Start, ulong End) NextPresent(ulong address)
    {
        if (_blocks is null)
        {
            return (address, End);
        }

        long first = _blocks.Next(true, BlockOf(address));
        ulong start = AddressOf(first);
        return (Math.Max(start, address), first == _blocks.Count ? start : AddressOf(_blocks.Next(false, first)));
    }

    /// <summary>
    /// Makes whole blocks present or absent. False, with nothing changed, if not all of them were the opposite.
    /// </summary>
    public bool TrySetPresent(bool present, ulong start, ulong end)
    {
        if (_blocks is null || (((start | end) - GuestAddress) & ((1ul << _blockShift) - 1)) != 0)
        {
            return false;
        }

        bool may = _blocks.AllAre(!present, BlockOf(start), BlockOf(end));
        if (may)
        {
            _blocks.Set(present, BlockOf(start), BlockOf(end));
        }

        return may;
    }

    private ulong AddressOf(long block) => GuestAddress + ((ulong)block << _blockShift);

    private long BlockOf(ulong address) => (long)((address - GuestAddress) >> _blockShift);
}
