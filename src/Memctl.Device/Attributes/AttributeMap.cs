using System.Diagnostics;
using System.Runtime.CompilerServices;
using Memctl.Device.Host;

namespace Memctl.Device.Attributes;

/// <summary>
/// A map from guest-physical pages to attributes, in storage of a fixed size. A change costs what it touches and a logarithm.
/// Pure: it knows nothing of the kernel. Not safe for use by several threads at once.
/// </summary>
/// <param name="capacity">The maximum of <see cref="Splits"/>.</param>
public sealed class AttributeMap(int capacity)
{
    private readonly BoundaryList _boundaries = new(capacity);

    /// <summary>The maximum of <see cref="Splits"/>.</summary>
    public int Capacity => capacity;

    /// <summary>The places where attributes differ: as many mappings may the kernel have split off.</summary>
    public int Splits => _boundaries.Count;

    /// <summary>Bytes of all pages that are locked.</summary>
    public ulong LockedBytes { get; private set; }

    /// <summary>Bytes of all pages that the guest made inaccessible.</summary>
    public ulong InaccessibleBytes { get; private set; }

    /// <summary>The extent that contains this address, cut at <paramref name="end"/>; pages as registered are one too.</summary>
    /// <param name="address">Less than <paramref name="end"/>; the extent starts here.</param>
    /// <param name="end">Where to cut it.</param>
    public AttributeExtent ExtentAt(ulong address, ulong end)
    {
        BoundaryList.Cursor cursor = _boundaries.Find(address + 1);
        ulong next = _boundaries.IsEnd(cursor) ? end : Math.Min(_boundaries.At(cursor).Address, end);
        return new AttributeExtent(address, next, _boundaries.AttributesBefore(cursor));
    }

    /// <summary>The whole extent that contains this address.</summary>
    public AttributeExtent ExtentAround(ulong address) =>
        ExtentAt(address, ulong.MaxValue) with { Start = _boundaries.AddressBefore(_boundaries.Find(address + 1)) };

    /// <summary>Whether no page of [start, end) has an attribute.</summary>
    public bool IsAsRegistered(ulong start, ulong end) =>
        ExtentAt(start, end) is var extent && extent.End == end && extent.Attributes == PageAttributes.AsRegistered;

    /// <summary>All extents that are not as registered, in order.</summary>
    public AttributeExtent[] Extents()
    {
        var extents = new List<AttributeExtent>();
        for (BoundaryList.Cursor cursor = _boundaries.Find(0); !_boundaries.IsEnd(cursor);)
        {
            Boundary boundary = _boundaries.At(cursor);
            cursor = _boundaries.Next(cursor);
            if (boundary.Attributes != PageAttributes.AsRegistered)
            {
                // The last boundary is always one to pages as registered.
                extents.Add(new AttributeExtent(boundary.Address, _boundaries.At(cursor).Address, boundary.Attributes));
            }
        }

        return [.. extents];
    }

    /// <summary>
    /// The next stretch from an address on, before <paramref name="end"/>, whose extents have this kind; neighbours are joined if
    /// the rest of their attributes differs, and with <paramref name="overGaps"/> also what lies between. Empty if there is none.
    /// </summary>
    public (ulong Start, ulong End) NextStretch(AttributeKind kind, ulong address, ulong end, bool overGaps)
    {
        (ulong Start, ulong End) stretch = (end, end);
        while (address < end)
        {
            AttributeExtent extent = ExtentAt(address, end);
            bool has = extent.Attributes.Has(kind);
            if (has)
            {
                stretch = (Math.Min(stretch.Start, extent.Start), extent.End);
            }
            else if (stretch.Start < end && !overGaps)
            {
                break;
            }

            address = extent.End;
        }

        return stretch;
    }

    /// <summary>What the map would cost after the change of [start, end), a range that is not empty.</summary>
    public AttributeCosts Measure(ulong start, ulong end, AttributeChange change)
    {
        BoundaryList.Cursor cursor = _boundaries.Find(start);
        PageAttributes old = _boundaries.AttributesBefore(cursor);
        PageAttributes last = old;
        int splits = Splits;
        ulong locked = LockedBytes;
        for (ulong next = start; next < end;)
        {
            if (!_boundaries.IsEnd(cursor) && _boundaries.At(cursor).Address == next)
            {
                old = _boundaries.At(cursor).Attributes;
                cursor = _boundaries.Next(cursor);
                splits--;
            }

            ulong to = _boundaries.IsEnd(cursor) ? end : Math.Min(_boundaries.At(cursor).Address, end);
            PageAttributes page = change.ApplyTo(old);
            splits += page != last ? 1 : 0;
            locked = locked + LockedIn(page, to - next) - LockedIn(old, to - next);
            last = page;
            next = to;
        }

        if (!_boundaries.IsEnd(cursor) && _boundaries.At(cursor).Address == end)
        {
            old = _boundaries.At(cursor).Attributes;
            splits--;
        }

        return new AttributeCosts(splits + (old != last ? 1 : 0), locked);
    }

    /// <summary>
    /// Changes [start, end), a range that is not empty. There must be room: <see cref="Measure"/> gives no more splits than
    /// <see cref="Capacity"/>.
    /// </summary>
    public void Apply(ulong start, ulong end, AttributeChange change)
    {
        BoundaryList.Cursor cursor = _boundaries.Find(start);
        PageAttributes old = _boundaries.AttributesBefore(cursor);
        PageAttributes last = old;
        for (ulong next = start; next < end;)
        {
            bool isBoundary = !_boundaries.IsEnd(cursor) && _boundaries.At(cursor).Address == next;
            old = isBoundary ? _boundaries.At(cursor).Attributes : old;
            PageAttributes page = change.ApplyTo(old);
            cursor = Put(cursor, isBoundary, next, page, last);
            ulong to = _boundaries.IsEnd(cursor) ? end : Math.Min(_boundaries.At(cursor).Address, end);
            LockedBytes = LockedBytes + LockedIn(page, to - next) - LockedIn(old, to - next);
            InaccessibleBytes = InaccessibleBytes + InaccessibleIn(page, to - next) - InaccessibleIn(old, to - next);
            last = page;
            next = to;
        }

        bool isEnd = !_boundaries.IsEnd(cursor) && _boundaries.At(cursor).Address == end;
        Put(cursor, isEnd, end, isEnd ? _boundaries.At(cursor).Attributes : old, last);
        Debug.Assert(Splits <= capacity, "The caller has measured the change.");
    }

    /// <summary>Whether a byte of [start, end) can't be both read and written by the device itself.</summary>
    public bool IsProtected(ulong start, ulong end)
    {
        while (start < end)
        {
            AttributeExtent extent = ExtentAt(start, end);
            if (extent.Attributes.IsProtected)
            {
                return true;
            }

            start = extent.End;
        }

        return false;
    }

    /// <summary>Makes a boundary stand at an address if attributes differ there, and none if they do not.</summary>
    /// <returns>The place behind it.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private BoundaryList.Cursor Put(BoundaryList.Cursor cursor, bool isBoundary, ulong address, PageAttributes page, PageAttributes last)
    {
        if (!isBoundary)
        {
            return page == last ? cursor : _boundaries.Insert(cursor, new Boundary(address, page));
        }

        if (page == last)
        {
            return _boundaries.Remove(cursor);
        }

        _boundaries.Set(cursor, page);
        return _boundaries.Next(cursor);
    }

    private static ulong LockedIn(PageAttributes page, ulong bytes) => page.Locked ? bytes : 0;

    private static ulong InaccessibleIn(PageAttributes page, ulong bytes) => page.Protection == MemoryProtection.None ? bytes : 0;
}
