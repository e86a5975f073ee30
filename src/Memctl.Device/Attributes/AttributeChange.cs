using Memctl.Device.Host;
using Memctl.Device.Protocol;

namespace Memctl.Device.Attributes;

/// <summary>What one request changes in the attributes of every page of its range.</summary>
/// <param name="Function">A function that changes attributes.</param>
/// <param name="Name">The name's number, for SET_VMA_ANON_NAME.</param>
public readonly record struct AttributeChange(Function Function, ulong Name = 0)
{
    /// <summary>The access that MPROTECT_* leaves, or null for other functions.</summary>
    public MemoryProtection? Protection => Function switch
    {
        Function.MPROTECT_NONE => MemoryProtection.None,
        Function.MPROTECT_R => MemoryProtection.Read,
        Function.MPROTECT_W => MemoryProtection.Write,
        Function.MPROTECT_RW => MemoryProtection.ReadWrite,
        _ => null,
    };

    /// <summary>
    /// Whether the device itself could no longer read or write such a page. Writing without reading is not closed: no
    /// processor that this runs on can map memory so, and the kernel grants both.
    /// </summary>
    public bool Closes => Function is Function.MPROTECT_NONE or Function.MPROTECT_R;

    /// <summary>The attributes of a page after the change.</summary>
    public PageAttributes ApplyTo(PageAttributes page) => Function switch
    {
        Function.MLOCK => page with { Locked = true },
        Function.MUNLOCK => page with { Locked = false },
        Function.DONTDUMP => page with { DontDump = true },
        Function.MERGEABLE => page with { Merging = Merging.Mergeable },
        Function.UNMERGEABLE => page with { Merging = Merging.Unmergeable },
        Function.SET_VMA_ANON_NAME => page with { Name = Name },
        _ when Protection is { } protection => page with { Closed = MemoryProtection.ReadWrite & ~protection },
        _ => throw new InvalidOperationException($"{Function} changes no attributes."),
    };
}
