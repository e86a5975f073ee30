namespace Memctl.Device.Attributes;

/// <summary>Pages in a row with the same attributes, not those of registered memory.</summary>
/// <param name="Start">Guest-physical address of the first byte.</param>
/// <param name="End">Guest-physical address past the last byte.</param>
/// <param name="Attributes">What the guest has set on every page of it.</param>
public readonly record struct AttributeExtent(ulong Start, ulong End, PageAttributes Attributes);

/// <summary>
/// A map from guest-physical pages to attributes, as sorted runs, neighbours that are equal merged, in storage of a fixed
/// size. Pure: it knows nothing of the kernel. Not safe for use by several threads at once.
/// </summary>
public sealed class AttributeMap
{
    private readonly AttributeExtent[] _runs;

    /// <summary>Makes an empty map with room for as many runs.</summary>
    public AttributeMap(int capacity) => _runs = GC.AllocateUninitializedArray<AttributeExtent>(capacity);

    /// <summary>The runs, in order.</summary>
    public ReadOnlySpan<AttributeExtent> Runs => _runs.AsSpan(0, Count);

    /// <summary>How many runs there are.</summary>
    public int Count { get; private set; }

    /// <summary>The places where attributes differ: as many mappings may the kernel have split off.</summary>
    public int Splits { get; private set; }

    /// <summary>Bytes of all runs that are locked.</summary>
    public ulong LockedBytes { get; private set; }

    /// <summary>Makes the map empty.</summary>
    public void Clear()
    {
        Count = 0;
        Splits = 0;
        LockedBytes = 0;
    }

    /// <summary>
    /// Makes this map what <paramref name="source"/> is after the change of [start, end), a range that is not empty. False, with
    /// this map left half-made, if there is no room for its runs.
    /// </summary>
    public bool TryAssign(AttributeMap source, ulong start, ulong end, AttributeChange change)
    {
        ReadOnlySpan<AttributeExtent> runs = source.Runs;
        int first = source.IndexOf(start);
        int past = first;
        while (past < runs.Length && runs[past].Start < end)
        {
            past++;
        }

        if (first > _runs.Length)
        {
            return false;
        }

        // What lies before is copied as it is. Of what lies behind, only the first run can merge with what comes before it.
        int copied = Math.Min(past + 1, runs.Length);
        runs[..first].CopyTo(_runs);
        Count = first;
        Splits = source.Splits;
        LockedBytes = source.LockedBytes;
        for (int index = first; index < copied; index++)
        {
            Splits -= index > 0 && runs[index - 1].End == runs[index].Start ? 1 : 2;
            LockedBytes -= runs[index].Attributes.Locked ? runs[index].End - runs[index].Start : 0;
        }

        ulong next = start;
        foreach (AttributeExtent run in runs[first..past])
        {
            ulong from = Math.Max(run.Start, start);
            ulong to = Math.Min(run.End, end);
            if (!TryAppend(run.Start, from, run.Attributes) ||
                !TryAppend(next, from, change.ApplyTo(PageAttributes.AsRegistered)) ||
                !TryAppend(from, to, change.ApplyTo(run.Attributes)) ||
                !TryAppend(to, run.End, run.Attributes))
            {
                return false;
            }

            next = to;
        }

        if (!TryAppend(next, end, change.ApplyTo(PageAttributes.AsRegistered)) ||
            (past < copied && !TryAppend(runs[past].Start, runs[past].End, runs[past].Attributes)) ||
            runs.Length - copied > _runs.Length - Count)
        {
            return false;
        }

        runs[copied..].CopyTo(_runs.AsSpan(Count));
        Count += runs.Length - copied;
        return true;
    }

    /// <summary>
    /// Adds a run behind the last one, merged with it where it adjoins and is equal. An empty run, or one without attributes,
    /// adds nothing. False if there is no room.
    /// </summary>
    public bool TryAppend(ulong start, ulong end, PageAttributes attributes)
    {
        if (start >= end || attributes == PageAttributes.AsRegistered)
        {
            return true;
        }

        bool adjoins = Count > 0 && _runs[Count - 1].End == start;
        if (adjoins && _runs[Count - 1].Attributes == attributes)
        {
            _runs[Count - 1] = _runs[Count - 1] with { End = end };
        }
        else if (Count == _runs.Length)
        {
            return false;
        }
        else
        {
            _runs[Count++] = new AttributeExtent(start, end, attributes);
            Splits += adjoins ? 1 : 2;
        }

        LockedBytes += attributes.Locked ? end - start : 0;
        return true;
    }

    /// <summary>The index of the first run that ends past this address; <see cref="Count"/> if none does.</summary>
    public int IndexOf(ulong address)
    {
        int low = 0;
        int high = Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_runs[middle].End <= address)
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

    /// <summary>Whether a page of [start, end) can't be both read and written by the device itself.</summary>
    public bool IsClosed(ulong start, ulong end)
    {
        for (int index = IndexOf(start); index < Count && _runs[index].Start < end; index++)
        {
            // Read access follows from write access; see AttributeChange.Closes.
            if ((_runs[index].Attributes.Closed & Host.MemoryProtection.Write) != 0)
            {
                return true;
            }
        }

        return false;
    }
}
