using System.Globalization;
using System.Text;
using Memctl.Top.Model;

namespace Memctl.Top.Views;

/// <summary>The map as SVG. Cells next to each other that look alike are one rectangle.</summary>
internal static class SvgMap
{
    private const int CellWidth = 12;
    private const int RowHeight = 16;
    private const int LabelWidth = 110;
    private const int Margin = 8;
    private const int Width = LabelWidth + (MemoryMap.Columns * CellWidth) + (2 * Margin);

    /// <summary>A file of its own: light or dark as its viewer is, with title and legend.</summary>
    /// <param name="moments">Of one VM, one below the other.</param>
    internal static string Document(IReadOnlyList<Snapshot> moments)
    {
        var body = new StringBuilder();
        int y = Margin;
        foreach (Snapshot vm in moments)
        {
            string caption = Markup.Escape(Caption(vm));
            body.Append(Invariant($"<text class=\"title\" x=\"{Margin}\" y=\"{y + 12}\">{caption}</text>\n"));
            y = AppendRows(body, vm, y + 22) + 14;
        }

        y = AppendLegend(body, y);
        string size = Invariant($"viewBox=\"0 0 {Width} {y}\" width=\"{Width}\" height=\"{y}\"");
        return $"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" {size} role=\"img\">\n" +
            $"<style>{Markup.Resource("map.css")}</style>\n{body}</svg>\n";
    }

    /// <summary>The map alone, as part of a page that has the styles.</summary>
    internal static string Element(Snapshot vm)
    {
        var body = new StringBuilder();
        int height = AppendRows(body, vm, Margin);
        string size = Invariant($"viewBox=\"0 0 {Width} {height}\"");
        return $"<svg class=\"map\" {size} role=\"img\" aria-label=\"Map of guest memory\">\n{body}</svg>\n";
    }

    private static string Caption(Snapshot vm)
    {
        string resident = vm.PagesSeen ? $"{Figures.Bytes(vm.Totals.Resident)} of {Figures.Bytes(vm.Totals.Ram)} resident, " : "";
        string time = Invariant($"{vm.Time.UtcDateTime:HH:mm:ss}");
        return $"{vm.Name}, {time} UTC: {resident}{Figures.Bytes(vm.GivenBack)} given back so far";
    }

    /// <summary>What a look at a cell tells: address, amounts, name.</summary>
    internal static string Describe(Snapshot vm, MemoryMap map, Cell cell, ulong length)
    {
        var parts = new List<string> { $"{Figures.Address(cell.Address)}, {Figures.Bytes(length)}" };
        if (vm.PagesSeen)
        {
            parts.Add(length == map.CellBytes ? $"{Figures.Bytes(cell.Resident)} resident" : Mark.Of(cell).Word);
        }

        parts.AddRange(Mark.All.Where(mark => mark != Mark.Absent && mark.Word != "resident" && mark.Bytes(cell) > 0)
            .Select(mark => length == map.CellBytes ? $"{Figures.Bytes(mark.Bytes(cell))} {mark.Word}" : mark.Word));
        if (cell.Name != 0)
        {
            parts.Add(Figures.Name(cell.Name));
        }

        return string.Join(", ", parts.Distinct());
    }

    /// <summary>Returns the height that is taken.</summary>
    private static int AppendRows(StringBuilder body, Snapshot vm, int y)
    {
        if (vm.Map is not { } map)
        {
            return y;
        }

        foreach ((ulong address, IReadOnlyList<Cell> cells) in map.Rows())
        {
            body.Append(Invariant($"<text class=\"faint\" x=\"{Margin}\" y=\"{y + 11}\">{Figures.Address(address)}</text>\n"));
            for (int first = 0, next; first < cells.Count; first = next)
            {
                Cell cell = cells[first];
                for (next = first + 1; next < cells.Count && LooksLike(cells[next], cell) &&
                    cells[next].Address == cells[next - 1].Address + map.CellBytes; next++)
                {
                }

                int column = (int)((cell.Address - address) / map.CellBytes);
                AppendCells(body, vm, map, cell, LabelWidth + Margin + (column * CellWidth), y, next - first);
            }

            y += RowHeight;
        }

        return y;
    }

    private static void AppendCells(StringBuilder body, Snapshot vm, MemoryMap map, Cell cell, int x, int y, int count)
    {
        Mark mark = Mark.Of(cell);
        int level = Level(cell);
        string opacity = level < 4 && IsMemory(mark) ? Invariant($" opacity=\"{0.25 + (level * 0.25):0.00}\"") : "";
        string title = Markup.Escape(Describe(vm, map, cell, (ulong)count * map.CellBytes));
        body.Append(Invariant($"<rect class=\"{mark.Word}\" x=\"{x}\" y=\"{y}\" width=\"{(count * CellWidth) - 1}\" "));
        body.Append(Invariant($"height=\"{RowHeight - 2}\" rx=\"2\"{opacity}><title>{title}</title></rect>\n"));
        if (mark != Mark.Absent && mark.Word != "resident")
        {
            string kind = mark.Word == "huge" ? "letter huge-letter" : "letter";
            for (int index = 0; index < count; index++)
            {
                int middle = x + (index * CellWidth) + (CellWidth / 2);
                body.Append(Invariant($"<text class=\"{kind}\" x=\"{middle}\" y=\"{y + 10}\">{Mark.LetterOf(cell)}</text>"));
            }

            body.Append('\n');
        }
    }

    /// <summary>Whether a mark says where memory is, not what the guest has set.</summary>
    private static bool IsMemory(Mark mark) => mark.Word is "resident" or "huge" or "swapped";

    /// <summary>How much of a cell its mark is true of, in quarters.</summary>
    private static int Level(Cell cell) => Mark.Of(cell).Bytes(cell) is var bytes && bytes * 4 >= cell.Ram * 3 ? 4
        : bytes * 2 >= cell.Ram ? 2 : bytes * 4 >= cell.Ram ? 1 : 0;

    private static bool LooksLike(Cell one, Cell other) =>
        Mark.Of(one) == Mark.Of(other) && Level(one) == Level(other) && Mark.LetterOf(one) == Mark.LetterOf(other) &&
        one.Name == other.Name;

    private static int AppendLegend(StringBuilder body, int y)
    {
        int x = Margin;
        foreach (Mark mark in Mark.All)
        {
            body.Append(Invariant($"<rect class=\"{mark.Word}\" x=\"{x}\" y=\"{y}\" width=\"{CellWidth - 1}\" "));
            body.Append(Invariant($"height=\"{RowHeight - 2}\" rx=\"2\"/>"));
            body.Append(Invariant($"<text x=\"{x + CellWidth + 4}\" y=\"{y + 11}\">{mark.Word}</text>\n"));
            x += CellWidth + 16 + (mark.Word.Length * 7);
        }

        return y + RowHeight + Margin;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
