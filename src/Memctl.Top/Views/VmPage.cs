using Memctl.Top.Model;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Memctl.Top.Views;

/// <summary>One VM: figures, budgets, map, names, requests. Fits 80 columns.</summary>
internal static class VmPage
{
    /// <summary>Everything, one part below the other.</summary>
    internal static IRenderable Render(Snapshot vm) =>
        new Rows(Heading(vm), Totals(vm), Map(vm), Legend(), Names(vm, int.MaxValue), Requests(vm), Unseen(vm));

    /// <summary>Who and when.</summary>
    internal static IRenderable Heading(Snapshot vm) => new Text(
        string.Create(null, stackalloc char[128], $"{vm.Name}  pid {vm.Pid}  {vm.Time.ToLocalTime():yyyy-MM-dd HH:mm:ss}"),
        new Style(decoration: Decoration.Bold));

    /// <summary>Amounts and budgets.</summary>
    internal static IRenderable Totals(Snapshot vm)
    {
        Amounts totals = vm.Totals;
        string Bytes(string word, ulong bytes) => $"{word} {Figures.Bytes(bytes)}  ";
        string Pages(string word, ulong bytes) => $"{word} {(vm.PagesSeen ? Figures.Bytes(bytes) : "?")}  ";
        string Count(ulong count) => Figures.Count(count);
        string Budget(string word, string used, Func<ulong, string> figure) =>
            $"{word} {figure(vm.Statistic(used))} of {figure(vm.Statistic(used + "_limit"))}  ";
        return new Rows(
            new Text(
                Bytes("RAM", totals.Ram) + Pages("resident", totals.Resident) + Pages("huge", totals.Huge) +
                Pages("swapped", totals.Swapped) + Bytes("given back", vm.GivenBack)),
            new Text(
                Bytes("guarded", totals.Guarded) + Bytes("read-only", totals.ReadOnly) + Bytes("no-dump", totals.NoDump) +
                Bytes("unmergeable", totals.Unmergeable) + Bytes("named", totals.Named)),
            new Text(
                Budget("locked", "locked_bytes", Figures.Bytes) + Budget("splits", "splits", Count) +
                Budget("channels", "channels", Count)));
    }

    /// <summary>The map: a row of cells for each stretch of addresses with RAM.</summary>
    /// <param name="vm">The VM.</param>
    /// <param name="firstRow">The first row to show.</param>
    /// <param name="rows">How many rows there is room for.</param>
    internal static IRenderable Map(Snapshot vm, int firstRow = 0, int rows = int.MaxValue)
    {
        if (vm.Map is not { } map)
        {
            return new Text("");
        }

        string scale = $"one letter is {Figures.Bytes(map.CellBytes)} of guest RAM, a row {Figures.Bytes(map.RowBytes)}";
        var lines = new List<IRenderable> { new Text(scale) };
        foreach ((ulong address, IReadOnlyList<Cell> cells) in map.Rows().Skip(firstRow).Take(rows))
        {
            lines.Add(Row(map, address, cells));
        }

        return new Rows(lines);
    }

    private static Paragraph Row(MemoryMap map, ulong address, IReadOnlyList<Cell> cells)
    {
        var line = new Paragraph($"{Figures.Address(address),13} ");
        ulong next = address;
        for (int first = 0, end; first < cells.Count; first = end)
        {
            // Cells of one mark are written in one go: a terminal need not be told its colours for each.
            Mark mark = Mark.Of(cells[first]);
            line.Append(new string(' ', (int)((cells[first].Address - next) / map.CellBytes)));
            for (end = first; end < cells.Count && Mark.Of(cells[end]) == mark; end++)
            {
                if (end > first && cells[end].Address != cells[end - 1].Address + map.CellBytes)
                {
                    break;
                }
            }

            line.Append(string.Concat(cells.Skip(first).Take(end - first).Select(Mark.LetterOf)), Palette.Of(mark));
            next = cells[end - 1].Address + map.CellBytes;
        }

        return line;
    }

    /// <summary>Letters and what they mean.</summary>
    internal static IRenderable Legend()
    {
        var line = new Paragraph();
        foreach (Mark mark in Mark.All)
        {
            line.Append(mark.Letter.ToString(), Palette.Of(mark)).Append($" {mark.Word}  ");
        }

        return line.Append("lower case: less than half of the cell");
    }

    /// <summary>Totals for each name.</summary>
    internal static IRenderable Names(Snapshot vm, int limit)
    {
        if (vm.Names.Count == 0)
        {
            return new Text("no range has a name");
        }

        NameTotal[] largest = [.. vm.Names.OrderByDescending(name => name.Ram).ThenBy(name => name.Name).Take(limit)];
        Grid table = Columns("NAME", "BYTES", "RES", "SWAP", "LOCK", "GUARD", "NODUMP");
        foreach (NameTotal name in largest)
        {
            table.AddRow(
                Figures.Name(name.Name), Figures.Bytes(name.Ram), vm.PagesSeen ? Figures.Bytes(name.Resident) : "?",
                vm.PagesSeen ? Figures.Bytes(name.Swapped) : "?", Figures.Bytes(name.Locked), Figures.Bytes(name.Guarded),
                Figures.Bytes(name.NoDump));
        }

        return vm.Names.Count == largest.Length
            ? table
            : new Rows(table, new Text($"and {vm.Names.Count - largest.Length} names more"));
    }

    /// <summary>What the guest asked for, by function, and what was refused.</summary>
    internal static IRenderable Requests(Snapshot vm)
    {
        Grid table = Columns("FUNCTION", "REQUESTS", "ERRORS", "BYTES", "A SECOND");
        foreach (string function in vm.Functions.Where(function => vm.Statistic(Snapshot.RequestsPrefix + function) != 0))
        {
            table.AddRow(
                function,
                Figures.Count(vm.Statistic(Snapshot.RequestsPrefix + function)),
                Figures.Count(vm.Statistic("errors_" + function)),
                Figures.Bytes(vm.Statistic("bytes_" + function)),
                vm.Rates is { } rates ? Figures.Count(rates.GetValueOrDefault(function)) : "-");
        }

        string refused = string.Join(
            "  ", vm.Refused.Where(refused => refused.Count != 0).Select(refused => $"{refused.Reason} {refused.Count}"));
        return new Rows(table, new Text(refused.Length == 0 ? "no request was refused" : $"refused: {refused}"));
    }

    /// <summary>What could not be seen.</summary>
    internal static IRenderable Unseen(Snapshot vm) => new Rows(vm.Unseen.Select(sentence => new Text($"not seen: {sentence}")));

    private static Grid Columns(params string[] heads)
    {
        var table = new Grid();
        for (int index = 0; index < heads.Length; index++)
        {
            table.AddColumn(new GridColumn { NoWrap = true, Alignment = index == 0 ? Justify.Left : Justify.Right });
        }

        return table.AddRow([.. heads.Select(head => new Text(head, new Style(decoration: Decoration.Bold)))]);
    }
}
