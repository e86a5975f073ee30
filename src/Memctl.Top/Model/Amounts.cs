using Memctl.Top.Reading;

namespace Memctl.Top.Model;

/// <summary>Bytes of guest RAM, by where they are and by what the guest has set on them. One page counts in several.</summary>
internal record Amounts
{
    /// <summary>All of it.</summary>
    public ulong Ram { get; set; }

    /// <summary>In the host's memory.</summary>
    public ulong Resident { get; set; }

    /// <summary>On the host's swap.</summary>
    public ulong Swapped { get; set; }

    /// <summary>Resident, as part of huge pages.</summary>
    public ulong Huge { get; set; }

    /// <summary>MLOCK.</summary>
    public ulong Locked { get; set; }

    /// <summary>MPROTECT_NONE: neither guest nor host can access it.</summary>
    public ulong Guarded { get; set; }

    /// <summary>MPROTECT_R.</summary>
    public ulong ReadOnly { get; set; }

    /// <summary>DONTDUMP.</summary>
    public ulong NoDump { get; set; }

    /// <summary>UNMERGEABLE.</summary>
    public ulong Unmergeable { get; set; }

    /// <summary>SET_VMA_ANON_NAME.</summary>
    public ulong Named { get; set; }

    /// <summary>Counts pages of one kind with the same attributes.</summary>
    internal void Add(ulong bytes, PageKind kind, AttributeExtent? attributes)
    {
        Ram += bytes;
        Resident += (kind & PageKind.Resident) != 0 ? bytes : 0;
        Swapped += (kind & PageKind.Swapped) != 0 ? bytes : 0;
        Huge += (kind & PageKind.Huge) != 0 ? bytes : 0;
        if (attributes is not null)
        {
            Locked += attributes.Locked ? bytes : 0;
            Guarded += attributes.IsGuarded ? bytes : 0;
            ReadOnly += attributes.IsReadOnly ? bytes : 0;
            NoDump += attributes.Dontdump ? bytes : 0;
            Unmergeable += attributes.Mergeable == false ? bytes : 0;
            Named += attributes.Name != 0 ? bytes : 0;
        }
    }
}

/// <summary>A stretch of guest-physical addresses, shown as one cell of the map.</summary>
/// <param name="Address">Guest-physical, of its first byte.</param>
internal sealed record Cell(ulong Address) : Amounts
{
    /// <summary>The name of its largest named stretch; 0 for none.</summary>
    public ulong Name { get; set; }
}

/// <summary>What lies under one of the guest's names.</summary>
/// <param name="Name">The number of SET_VMA_ANON_NAME.</param>
internal sealed record NameTotal(ulong Name) : Amounts;
