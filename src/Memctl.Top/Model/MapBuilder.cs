using System.Numerics;
using Memctl.Top.Reading;

namespace Memctl.Top.Model;

/// <summary>
/// Sorts guest RAM into cells, names and totals. Everything comes in order of guest-physical addresses, so that a page costs a
/// few steps, however many cells and extents there are.
/// </summary>
internal sealed class MapBuilder
{
    private readonly IReadOnlyList<AttributeExtent> _attributes;
    private readonly MapWindow _window;
    private readonly List<Cell> _cells = [];
    private readonly SortedDictionary<ulong, NameTotal> _names = [];
    private readonly int _cellShift;
    private int _attribute;
    private Cell? _cell;
    private ulong _named;

    /// <summary>Chooses the size of a cell.</summary>
    /// <param name="ram">Guest RAM, sorted.</param>
    /// <param name="attributes">What the guest has set, sorted.</param>
    /// <param name="pageSize">The minimum size of a cell.</param>
    /// <param name="window">What to draw.</param>
    internal MapBuilder(
        IReadOnlyList<RamSegment> ram, IReadOnlyList<AttributeExtent> attributes, ulong pageSize, MapWindow window)
    {
        _attributes = attributes;
        _window = window;
        _cellShift = BitOperations.Log2(Math.Max(window.CellBytes, pageSize));
        while (window.CellBytes == 0 && RowsOf(ram, window, _cellShift) > window.MaxRows)
        {
            _cellShift++;
        }
    }

    /// <summary>All memory, in the window or not.</summary>
    internal Amounts Totals { get; } = new();

    /// <summary>What lies under each of the guest's names, by number.</summary>
    internal IReadOnlyList<NameTotal> Names => [.. _names.Values];

    /// <summary>The map of what was added.</summary>
    internal MemoryMap Map => new(1ul << _cellShift, _cells);

    /// <summary>Adds guest RAM of one kind: [start, end), past everything added before.</summary>
    internal void Add(ulong start, ulong end, PageKind kind)
    {
        while (start < end)
        {
            while (_attribute < _attributes.Count && _attributes[_attribute].End <= start)
            {
                _attribute++;
            }

            AttributeExtent? next = _attribute < _attributes.Count ? _attributes[_attribute] : null;
            AttributeExtent? here = next?.GuestAddress <= start ? next : null;
            ulong to = Math.Min(end, here?.End ?? next?.GuestAddress ?? end);
            to = Math.Min(to, ((start >> _cellShift) + 1) << _cellShift);
            Count(start, to - start, kind, here);
            start = to;
        }
    }

    private void Count(ulong address, ulong bytes, PageKind kind, AttributeExtent? attributes)
    {
        Totals.Add(bytes, kind, attributes);
        Cell? cell = address >= _window.Start && address < _window.End ? CellAt(address) : null;
        cell?.Add(bytes, kind, attributes);
        if (attributes is { Name: not 0 and ulong name })
        {
            if (!_names.TryGetValue(name, out NameTotal? total))
            {
                _names.Add(name, total = new NameTotal(name));
            }

            total.Add(bytes, kind, attributes);
            if (cell is not null && bytes > _named)
            {
                (cell.Name, _named) = (name, bytes);
            }
        }
    }

    private Cell CellAt(ulong address)
    {
        ulong start = address >> _cellShift << _cellShift;
        if (_cell?.Address != start)
        {
            _cells.Add(_cell = new Cell(start));
            _named = 0;
        }

        return _cell;
    }

    /// <summary>The number of rows in which there is RAM.</summary>
    private static int RowsOf(IReadOnlyList<RamSegment> ram, MapWindow window, int cellShift)
    {
        int rowShift = cellShift + BitOperations.Log2(MemoryMap.Columns);
        long rows = 0;
        ulong counted = 0;
        foreach (RamSegment segment in ram)
        {
            ulong start = Math.Max(segment.GuestAddress, window.Start);
            ulong end = Math.Min(segment.End, window.End);
            if (start < end)
            {
                // Row numbers from 1, so that 0 is none.
                ulong first = Math.Max((start >> rowShift) + 1, counted + 1);
                ulong last = ((end - 1) >> rowShift) + 1;
                rows += last >= first ? (long)(last - first + 1) : 0;
                counted = Math.Max(counted, last);
            }
        }

        return (int)Math.Min(rows, int.MaxValue);
    }
}
