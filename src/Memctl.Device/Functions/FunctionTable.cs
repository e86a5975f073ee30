using System.Diagnostics;
using Memctl.Device.Attributes;
using Memctl.Device.Host;
using static Memctl.Device.Functions.Function;
using static Memctl.Device.Functions.FunctionEffect;

namespace Memctl.Device.Functions;

/// <summary>
/// Every function of the protocol, one row each. Dialects, policy groups, counters, budgets and the tables in docs/ follow from
/// it (docs/adding-a-function.md).
/// </summary>
public static class FunctionTable
{
    /// <summary>How many rows there are.</summary>
    public const int Count = 15;

    /// <summary>The row of INFO, and its code in every dialect: a driver asks before it knows which one it is.</summary>
    public const int Info = 0;

    private static readonly Function[] _all = Number(
    [
        // name, policy group, code in memctl, code in pvmemcontrol, effect and advice, or kind of attribute and its value
        new("INFO", Info, Info),
        new("DONTNEED", "discard", 1, 1, Discard, MemoryAdvice.DontNeed),
        new("REMOVE", "discard", 2, 2, Discard, MemoryAdvice.Remove),
        new("FREE", "discard", 3, 3, Discard, MemoryAdvice.Free),
        new("PAGEOUT", null, 4, 4, Hint, MemoryAdvice.PageOut) { IsPaced = true },
        new("MERGEABLE", "merge", NoCode, 13, AttributeKind.Merging, new() { Merging = Merging.Mergeable }) { Merges = true },
        new("UNMERGEABLE", "merge", 5, 14, AttributeKind.Merging, new() { Merging = Merging.Unmergeable }),
        new("DONTDUMP", "dump", 6, 5, AttributeKind.Dump, new() { DontDump = true }),
        new("MLOCK", "lock", 7, 7, AttributeKind.Lock, new() { Locked = true }),
        new("MUNLOCK", "lock", 8, 8, AttributeKind.Lock, default),
        new("MPROTECT_NONE", "protect", 9, 9, AttributeKind.Protection, new() { Denied = MemoryProtection.ReadWrite }),
        new("MPROTECT_R", "protect", 10, 10, AttributeKind.Protection, new() { Denied = MemoryProtection.Write }),
        new("MPROTECT_W", "protect", 11, 11, AttributeKind.Protection, new() { Denied = MemoryProtection.Read }),
        new("MPROTECT_RW", "protect", 12, 12, AttributeKind.Protection, default),
        new("SET_VMA_ANON_NAME", "name", 13, 6, AttributeKind.Name, default),
    ]);

    /// <summary>
    /// The rows. A function's place is also its bit in a <see cref="FunctionSet"/> and its counters' place in a channel.
    /// </summary>
    public static ReadOnlySpan<Function> All => _all;

    /// <summary>Finds a function by its wire name, in any case of letters; null if there is none.</summary>
    public static Function? Find(string name) =>
        Array.Find(_all, function => function.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static Function[] Number(Function[] rows)
    {
        Debug.Assert(rows.Length == Count && rows[Info].Effect == Information);
        for (int index = 0; index < rows.Length; index++)
        {
            rows[index].Index = index;
        }

        return rows;
    }
}
