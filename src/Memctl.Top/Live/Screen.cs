using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Memctl.Top.Live;

/// <summary>
/// What the screen shows and what keys do to it. Knows no terminal: it takes snapshots and keys, and gives a picture and a window
/// to read.
/// </summary>
/// <param name="pageSize">The minimum size of a cell.</param>
internal sealed class Screen(ulong pageSize)
{
    /// <summary>Lines around the map: heading, three of amounts, one of the scale, two of the legend, one of keys.</summary>
    private const int LinesAround = 9;

    private readonly record struct Zoom(ulong CellBytes, ulong Top);

    private IReadOnlyList<Snapshot> _vms = [];
    private string? _selected;
    private bool _isMap;
    private bool _isNames;
    private Zoom? _zoom;

    /// <summary>Whether the user asked for the end.</summary>
    internal bool IsOver { get; private set; }

    /// <summary>Lines of the terminal.</summary>
    internal int Height { get; set; } = 24;

    private int MapRows => Math.Max(1, Height - LinesAround);

    private Snapshot? Selected => _vms.FirstOrDefault(vm => vm.Name == _selected) ?? (_vms.Count > 0 ? _vms[0] : null);

    /// <summary>What to read of a VM. A VM that is not looked at needs no map.</summary>
    internal MapWindow WindowOf(Vmm vmm)
    {
        if (!_isMap || Selected is not { } selected || selected.Pid != vmm.Pid || _zoom is not { } zoom)
        {
            return MapWindow.All(MapRows);
        }

        ulong rowBytes = zoom.CellBytes * MemoryMap.Columns;
        ulong last = RamExtent.RowAt(selected.Ram, zoom.Top, MapRows - 1, rowBytes);
        return new MapWindow(zoom.Top, last + rowBytes, MapRows, zoom.CellBytes);
    }

    /// <summary>Takes new snapshots.</summary>
    internal void Show(IReadOnlyList<Snapshot> vms)
    {
        _vms = vms;
        _isMap |= vms.Count == 1 && _selected is null;
        _selected ??= vms.Count > 0 ? vms[0].Name : null;
    }

    /// <summary>Does what a key asks for.</summary>
    /// <returns>Whether other memory must be read.</returns>
    internal bool Press(ConsoleKeyInfo key)
    {
        switch (key.Key, key.KeyChar)
        {
            case (ConsoleKey.Q, _):
                IsOver = true;
                return false;
            case (ConsoleKey.Escape, _) or (ConsoleKey.Backspace, _):
                _isMap = false;
                _zoom = null;
                return true;
            case (ConsoleKey.Enter, _):
                _isMap = true;
                return true;
            case (ConsoleKey.N, _):
                _isNames = !_isNames;
                return false;
            case (_, '+') or (_, '='):
                return _isMap && ZoomBy(-2);
            case (_, '-'):
                return _isMap && ZoomBy(2);
            case (_, '0'):
                _zoom = null;
                return true;
            case (ConsoleKey.DownArrow, _):
                return Move(1);
            case (ConsoleKey.UpArrow, _):
                return Move(-1);
            case (ConsoleKey.PageDown, _):
                return Move(MapRows);
            case (ConsoleKey.PageUp, _):
                return Move(-MapRows);
            default:
                return false;
        }
    }

    /// <summary>The picture.</summary>
    internal IRenderable Render()
    {
        if (Selected is not { } vm)
        {
            return new Rows(new Text("No VM of this host has loaded libmemctl.so."), Keys("q quit"));
        }

        if (!_isMap)
        {
            int selected = _vms.ToList().FindIndex(each => each.Name == vm.Name);
            int first = Math.Max(0, selected - Math.Max(1, Height - 5));
            return new Rows(
                VmTable.Render([.. _vms.Skip(first).Take(Math.Max(1, Height - 4))], selected - first), VmPage.Unseen(vm),
                Keys("arrows select  enter map  q quit"));
        }

        IRenderable body = _isNames ? VmPage.Names(vm, MapRows) : VmPage.Map(vm, 0, MapRows);
        return new Rows(
            VmPage.Heading(vm), VmPage.Totals(vm), body, VmPage.Legend(), VmPage.Unseen(vm),
            Keys("+ - zoom  0 all  arrows scroll  n names  esc list  q quit"));
    }

    private static Text Keys(string keys) => new(keys, new Style(decoration: Decoration.Dim));

    /// <summary>Makes cells larger or smaller by a power of two, around the middle row.</summary>
    private bool ZoomBy(int shift)
    {
        if (Selected is not { Map: { Cells.Count: > 0 } map } vm)
        {
            return false;
        }

        ulong cell = Math.Max(pageSize, shift < 0 ? map.CellBytes >> -shift : map.CellBytes << shift);
        ulong rowBytes = cell * MemoryMap.Columns;
        ulong middle = _zoom is { } zoom ? RamExtent.RowAt(vm.Ram, zoom.Top, MapRows / 2, map.RowBytes) : map.Cells[0].Address;
        _zoom = new Zoom(cell, RamExtent.RowAt(vm.Ram, middle, _zoom is null ? 0 : -(MapRows / 2), rowBytes));
        return true;
    }

    private bool Move(int rows)
    {
        if (!_isMap)
        {
            int at = _vms.ToList().FindIndex(vm => vm.Name == Selected?.Name);
            _selected = _vms.Count == 0 ? null : _vms[Math.Clamp(at + Math.Sign(rows), 0, _vms.Count - 1)].Name;
            return false;
        }

        if (_zoom is not { } zoom || Selected is not { } selected)
        {
            return false;
        }

        _zoom = zoom with { Top = RamExtent.RowAt(selected.Ram, zoom.Top, rows, zoom.CellBytes * MemoryMap.Columns) };
        return true;
    }
}
