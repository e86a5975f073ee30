using Memctl.Device.Host;

namespace Memctl.Device.Attributes;

/// <summary>Whether the guest has said anything about merging equal pages.</summary>
public enum Merging : byte
{
    AsRegistered,
    Mergeable,
    Unmergeable,
}

/// <summary>What the guest has set on a page and the kernel keeps with its mapping: a difference splits a mapping in two.</summary>
/// <param name="Closed">The bits of access taken away: zero is read and write, as RAM is registered.</param>
/// <param name="Locked">MLOCK.</param>
/// <param name="DontDump">DONTDUMP.</param>
/// <param name="Merging">MERGEABLE or UNMERGEABLE.</param>
/// <param name="Name">The number of SET_VMA_ANON_NAME, 0 for no name.</param>
public readonly record struct PageAttributes(
    MemoryProtection Closed, bool Locked, bool DontDump, Merging Merging, ulong Name)
{
    /// <summary>As registered: the default value of the type.</summary>
    public static PageAttributes AsRegistered => default;

    /// <summary>What access is left.</summary>
    public MemoryProtection Protection => MemoryProtection.ReadWrite & ~Closed;
}
