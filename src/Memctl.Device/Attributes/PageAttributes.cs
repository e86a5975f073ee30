using Memctl.Device.Host;

namespace Memctl.Device.Attributes;

/// <summary>The independent parts of <see cref="PageAttributes"/>, each set by a host call of its own.</summary>
public enum AttributeKind : byte
{
    Merging,
    Dump,
    Name,
    Lock,
    Protection,
}

/// <summary>Whether the guest has asked for equal pages to be merged, or not to be.</summary>
public enum Merging : byte
{
    AsRegistered,
    Mergeable,
    Unmergeable,
}

/// <summary>
/// What the guest has set on a page and the kernel keeps with its mapping: a difference splits a mapping in two.
/// </summary>
/// <param name="Denied">The bits of access taken away: zero is read and write, as RAM is registered.</param>
/// <param name="Locked">MLOCK.</param>
/// <param name="DontDump">DONTDUMP.</param>
/// <param name="Merging">MERGEABLE or UNMERGEABLE.</param>
/// <param name="Name">The number of SET_VMA_ANON_NAME, 0 for no name.</param>
public readonly record struct PageAttributes(
    MemoryProtection Denied, bool Locked, bool DontDump, Merging Merging, ulong Name)
{
    /// <summary>As registered: the default value of the type.</summary>
    public static PageAttributes AsRegistered => default;

    /// <summary>
    /// The kinds, in the order in which a page's attributes are applied: access last, so that locking can populate.
    /// </summary>
    public static ReadOnlySpan<AttributeKind> Kinds =>
        [AttributeKind.Merging, AttributeKind.Dump, AttributeKind.Name, AttributeKind.Lock, AttributeKind.Protection];

    /// <summary>What access is left.</summary>
    public MemoryProtection Protection => MemoryProtection.ReadWrite & ~Denied;

    /// <summary>
    /// Whether the device itself can't both read and write the page. Write access alone counts as both: no processor that this
    /// runs on can map memory so, and the kernel grants both.
    /// </summary>
    public bool IsProtected => (Denied & MemoryProtection.Write) != 0;

    /// <summary>The same with other access.</summary>
    public PageAttributes WithProtection(MemoryProtection protection) => this with { Denied = MemoryProtection.ReadWrite & ~protection };

    /// <summary>Whether this kind differs from registered memory.</summary>
    public bool Has(AttributeKind kind) => kind switch
    {
        AttributeKind.Merging => Merging != Merging.AsRegistered,
        AttributeKind.Dump => DontDump,
        AttributeKind.Name => Name != 0,
        AttributeKind.Lock => Locked,
        _ => Denied != MemoryProtection.None,
    };

    /// <summary>The same with this kind as registered.</summary>
    public PageAttributes Without(AttributeKind kind) => kind switch
    {
        AttributeKind.Merging => this with { Merging = Merging.AsRegistered },
        AttributeKind.Dump => this with { DontDump = false },
        AttributeKind.Name => this with { Name = 0 },
        AttributeKind.Lock => this with { Locked = false },
        _ => this with { Denied = MemoryProtection.None },
    };
}
