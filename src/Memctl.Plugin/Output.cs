using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>An array that an export fills as far as it goes, and a place for the count of all items; both the caller's.</summary>
/// <param name="items">Null only if the capacity is 0.</param>
/// <param name="capacity">Items that fit.</param>
/// <param name="count">Never null.</param>
internal readonly unsafe ref struct Output<T>(T* items, nuint capacity, nuint* count)
    where T : unmanaged
{
    /// <summary>Stores the number of items, and the items that fit.</summary>
    internal uint Store(ReadOnlySpan<T> all, string noun)
    {
        int fitting = (int)Math.Min(capacity, (nuint)all.Length);
        all[..fitting].CopyTo(new Span<T>(items, fitting));
        return Complete((nuint)all.Length, noun);
    }

    /// <summary>Stores one item in its place, if it fits.</summary>
    internal void Store(nuint index, in T item)
    {
        if (index < capacity)
        {
            items[index] = item;
        }
    }

    /// <summary>Stores the number of items.</summary>
    internal uint Complete(nuint all, string noun)
    {
        *count = all;
        return all <= capacity
            ? MemctlAbi.MEMCTL_OK
            : AbiError.Report(MemctlAbi.MEMCTL_BUFFER_TOO_SMALL, $"There are {all} {noun}; the buffer takes {capacity}.");
    }
}
