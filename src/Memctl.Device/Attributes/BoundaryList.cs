namespace Memctl.Device.Attributes;

/// <summary>From this guest-physical address on, up to the next boundary, pages have these attributes.</summary>
/// <param name="Address">Guest-physical, a multiple of the page size.</param>
/// <param name="Attributes">Different from those before the address.</param>
internal readonly record struct Boundary(ulong Address, PageAttributes Attributes);

/// <summary>
/// Boundaries sorted by address in storage of a fixed size: leaves of up to 64, in the order of an index. To find, insert and
/// remove costs a logarithm and a move within one leaf; the index moves only when a leaf comes or goes. Not safe for use by
/// several threads at once.
/// </summary>
internal sealed class BoundaryList
{
    private const int LeafSize = 64;

    // Neighbours that fit into this much are joined when one of them shrinks.
    private const int JoinedSize = 48;

    // Two neighbours contain more than 32 together: one of them was just divided, or they did not fit into one.
    private const int MinAverage = 16;

    private readonly Boundary[] _pool;

    // Pinned, as they are large and stay: so they are made apart from what every request reads.
    private readonly int[] _counts;
    private readonly int[] _order;

    // Leaves not in use, the next one last.
    private readonly int[] _free;
    private int _freeCount;
    private int _leaves;

    /// <summary>Makes an empty list with room for as many boundaries.</summary>
    internal BoundaryList(int capacity)
    {
        // A change inserts up to two boundaries before it removes what they replace.
        int leaves = ((capacity + 2) / MinAverage) + 2;
        _pool = GC.AllocateUninitializedArray<Boundary>(leaves * LeafSize);
        _counts = GC.AllocateArray<int>(leaves, pinned: true);
        _order = GC.AllocateArray<int>(leaves, pinned: true);
        _free = GC.AllocateArray<int>(leaves, pinned: true);
        _freeCount = leaves;
        for (int leaf = 0; leaf < leaves; leaf++)
        {
            _free[leaf] = leaves - 1 - leaf;
        }
    }

    /// <summary>A place in the list; any insertion or removal makes it invalid.</summary>
    /// <param name="Leaf">Place of the leaf in the index.</param>
    /// <param name="Slot">Place in the leaf.</param>
    internal readonly record struct Cursor(int Leaf, int Slot);

    /// <summary>How many boundaries there are.</summary>
    internal int Count { get; private set; }

    /// <summary>Whether the cursor is past the last boundary.</summary>
    internal bool IsEnd(Cursor cursor) => cursor.Leaf == _leaves;

    /// <summary>The boundary at a cursor that is not at the end.</summary>
    internal Boundary At(Cursor cursor) => _pool[(_order[cursor.Leaf] * LeafSize) + cursor.Slot];

    /// <summary>The next place.</summary>
    internal Cursor Next(Cursor cursor) => Settle(cursor.Leaf, cursor.Slot + 1);

    /// <summary>The attributes just before a place.</summary>
    internal PageAttributes AttributesBefore(Cursor cursor) => Before(cursor).Attributes;

    /// <summary>The address of the boundary before a place; 0 if it is the first.</summary>
    internal ulong AddressBefore(Cursor cursor) => Before(cursor).Address;

    /// <summary>The boundary before a place; before the first, that of all memory as registered.</summary>
    private Boundary Before(Cursor cursor)
    {
        if (cursor.Slot > 0)
        {
            return At(cursor with { Slot = cursor.Slot - 1 });
        }

        return cursor.Leaf == 0 ? default : At(new Cursor(cursor.Leaf - 1, _counts[_order[cursor.Leaf - 1]] - 1));
    }

    /// <summary>The first boundary at or past this address.</summary>
    internal Cursor Find(ulong address)
    {
        int leaf = LeavesBefore(address) - 1;
        return leaf < 0 ? default : Settle(leaf, SlotsBefore(_order[leaf], address));
    }

    /// <summary>Replaces the attributes at a cursor that is not at the end.</summary>
    internal void Set(Cursor cursor, PageAttributes attributes)
    {
        ref Boundary boundary = ref _pool[(_order[cursor.Leaf] * LeafSize) + cursor.Slot];
        boundary = boundary with { Attributes = attributes };
    }

    /// <summary>Adds a boundary before a place; there must be room.</summary>
    /// <returns>The place behind the new boundary.</returns>
    internal Cursor Insert(Cursor cursor, Boundary boundary)
    {
        Count++;
        if (IsEnd(cursor))
        {
            // Behind the last one: in its leaf, or in the first leaf of all.
            if (_leaves == 0)
            {
                AddLeaf(0);
            }

            cursor = new Cursor(_leaves - 1, _counts[_order[_leaves - 1]]);
        }

        if (_counts[_order[cursor.Leaf]] == LeafSize)
        {
            cursor = Divide(cursor);
        }

        int leaf = _order[cursor.Leaf];
        Span<Boundary> slots = Slots(leaf, ++_counts[leaf]);
        slots[cursor.Slot..^1].CopyTo(slots[(cursor.Slot + 1)..]);
        slots[cursor.Slot] = boundary;
        return Settle(cursor.Leaf, cursor.Slot + 1);
    }

    /// <summary>Removes the boundary at a cursor that is not at the end.</summary>
    /// <returns>The place of the one behind it.</returns>
    internal Cursor Remove(Cursor cursor)
    {
        Count--;
        int leaf = _order[cursor.Leaf];
        Span<Boundary> slots = Slots(leaf, _counts[leaf]--);
        slots[(cursor.Slot + 1)..].CopyTo(slots[cursor.Slot..]);
        if (_counts[leaf] == 0)
        {
            RemoveLeaf(cursor.Leaf);
            return Settle(cursor.Leaf, 0);
        }

        if (cursor.Leaf + 1 < _leaves && TryJoin(cursor.Leaf))
        {
            return Settle(cursor.Leaf, cursor.Slot);
        }

        int before = cursor.Leaf == 0 ? 0 : _counts[_order[cursor.Leaf - 1]];
        return before != 0 && TryJoin(cursor.Leaf - 1)
            ? Settle(cursor.Leaf - 1, before + cursor.Slot)
            : Settle(cursor.Leaf, cursor.Slot);
    }

    /// <summary>How many leaves begin before an address.</summary>
    private int LeavesBefore(ulong address)
    {
        int low = 0;
        int high = _leaves;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_pool[_order[middle] * LeafSize].Address < address)
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

    /// <summary>How many of a leaf's boundaries are before an address.</summary>
    private int SlotsBefore(int leaf, ulong address)
    {
        ReadOnlySpan<Boundary> slots = Slots(leaf, _counts[leaf]);
        int low = 0;
        int high = slots.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (slots[middle].Address < address)
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

    /// <summary>The cursor of a place that may lie one past its leaf.</summary>
    private Cursor Settle(int leaf, int slot) =>
        leaf < _leaves && slot == _counts[_order[leaf]] ? new Cursor(leaf + 1, 0) : new Cursor(leaf, slot);

    private Span<Boundary> Slots(int leaf, int count) => _pool.AsSpan(leaf * LeafSize, count);

    /// <summary>Moves the second half of a full leaf into a new one; the place afterwards.</summary>
    private Cursor Divide(Cursor cursor)
    {
        const int Half = LeafSize / 2;
        int leaf = _order[cursor.Leaf];
        int added = AddLeaf(cursor.Leaf + 1);
        Slots(leaf, LeafSize)[Half..].CopyTo(Slots(added, Half));
        _counts[leaf] = Half;
        _counts[added] = Half;
        return cursor.Slot <= Half ? cursor : new Cursor(cursor.Leaf + 1, cursor.Slot - Half);
    }

    /// <summary>Moves a leaf's successor into it if both are small.</summary>
    private bool TryJoin(int place)
    {
        int leaf = _order[place];
        int next = _order[place + 1];
        int count = _counts[leaf];
        if (count + _counts[next] > JoinedSize)
        {
            return false;
        }

        Slots(next, _counts[next]).CopyTo(Slots(leaf, LeafSize)[count..]);
        _counts[leaf] += _counts[next];
        RemoveLeaf(place + 1);
        return true;
    }

    private int AddLeaf(int place)
    {
        int leaf = _free[--_freeCount];
        _order.AsSpan(place, _leaves - place).CopyTo(_order.AsSpan(place + 1));
        _order[place] = leaf;
        _counts[leaf] = 0;
        _leaves++;
        return leaf;
    }

    private void RemoveLeaf(int place)
    {
        _free[_freeCount++] = _order[place];
        _leaves--;
        _order.AsSpan(place + 1, _leaves - place).CopyTo(_order.AsSpan(place));
    }
}
