using System.Diagnostics.CodeAnalysis;
using Memctl.Device.Host;

namespace Memctl.Device.Attributes;

/// <summary>
/// The independent parts of <see cref="PageAttributes"/>, each set by a host call of its own; the value is its bits there.
/// </summary>
[SuppressMessage("Design", "CA1008", Justification = "A name is a number of its own.")]
public enum AttributeKind : byte
{
    Name = 0,
    Protection = 0b00_0011,
    Lock = 0b00_0100,
    Dump = 0b00_1000,
    Merging = 0b11_0000,
}

/// <summary>Whether the guest has asked for equal pages to be merged, or not to be.</summary>
public enum Merging : byte
{
    AsRegistered,
    Mergeable,
    Unmergeable,
}

/// <summary>
/// What the guest has set on a page and the kernel keeps with its mapping: a difference splits a mapping in two. In bits, as
/// most of a change is comparing.
/// </summary>
public readonly record struct PageAttributes
{
    private const int MergingShift = 4;

    private readonly byte _bits;

    private PageAttributes(byte bits, ulong name)
    {
        _bits = bits;
        Name = name;
    }

    /// <summary>The bits of access taken away: zero is read and write, as RAM is registered.</summary>
    public MemoryProtection Denied
    {
        get => (MemoryProtection)(_bits & (int)AttributeKind.Protection);
        init => _bits = Replaced(AttributeKind.Protection, (int)value);
    }

    /// <summary>MLOCK.</summary>
    public bool Locked
    {
        get => (_bits & (int)AttributeKind.Lock) != 0;
        init => _bits = Replaced(AttributeKind.Lock, value ? (int)AttributeKind.Lock : 0);
    }

    /// <summary>DONTDUMP.</summary>
    public bool DontDump
    {
        get => (_bits & (int)AttributeKind.Dump) != 0;
        init => _bits = Replaced(AttributeKind.Dump, value ? (int)AttributeKind.Dump : 0);
    }

    /// <summary>MERGEABLE or UNMERGEABLE.</summary>
    public Merging Merging
    {
        get => (Merging)((_bits & (int)AttributeKind.Merging) >> MergingShift);
        init => _bits = Replaced(AttributeKind.Merging, (int)value << MergingShift);
    }

    /// <summary>The number of SET_VMA_ANON_NAME, 0 for no name.</summary>
    public ulong Name { get; init; }

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

    /// <summary>Whether this kind differs from registered memory.</summary>
    public bool Has(AttributeKind kind) => With(kind, AsRegistered) != this;

    /// <summary>The same with this kind as in <paramref name="other"/>.</summary>
    public PageAttributes With(AttributeKind kind, PageAttributes other) =>
        new(Replaced(kind, other._bits & (int)kind), kind == AttributeKind.Name ? other.Name : Name);

    private byte Replaced(AttributeKind kind, int bits) => (byte)((_bits & ~(int)kind) | bits);
}
