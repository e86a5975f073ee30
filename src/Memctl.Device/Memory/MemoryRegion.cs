namespace Memctl.Device.Memory;

/// <summary>How the VMM had mapped a region before the guest changed anything: what "as before" means for it.</summary>
[Flags]
public enum RegionTraits
{
    None = 0,

    /// <summary>The VMM advised it MADV_MERGEABLE.</summary>
    Mergeable = 1,

    /// <summary>The VMM advised it MADV_DONTDUMP.</summary>
    DontDump = 2,
}

/// <summary>A piece of guest RAM, in whole host pages.</summary>
/// <param name="guestAddress">Guest-physical address of its first byte.</param>
/// <param name="length">Bytes, never 0.</param>
/// <param name="hostAddress">Where the VMM mapped it, in this process.</param>
/// <param name="traits">How the VMM mapped it.</param>
public sealed class MemoryRegion(ulong guestAddress, ulong length, nuint hostAddress, RegionTraits traits)
{
    /// <summary>Guest-physical address of its first byte.</summary>
    public ulong GuestAddress => guestAddress;

    /// <summary>Bytes, never 0.</summary>
    public ulong Length => length;

    /// <summary>Guest-physical address past the last byte; never wraps.</summary>
    public ulong End => guestAddress + length;

    /// <summary>How the VMM mapped it.</summary>
    public RegionTraits Traits => traits;

    /// <summary>Whether its mapping was made ready to be split; see <c>HostMappings</c>, whose caller's lock guards it.</summary>
    internal bool IsReadyToSplit { get; set; }

    /// <summary>Whether a byte of this process is in both.</summary>
    public bool SharesHostMemoryWith(MemoryRegion other) =>
        HostAddressOf(guestAddress) < other.HostAddressOf(other.End) && other.HostAddressOf(other.GuestAddress) < HostAddressOf(End);

    /// <summary>The host address of a guest-physical address inside the region.</summary>
    public nuint HostAddressOf(ulong address) => hostAddress + (nuint)(address - guestAddress);
}
