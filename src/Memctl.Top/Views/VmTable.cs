using Memctl.Top.Model;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Memctl.Top.Views;

/// <summary>Every VM of the host in a row each. Fits 80 columns.</summary>
internal static class VmTable
{
    private const int NameWidth = 14;

    private static readonly (string Head, Func<Snapshot, string> Value)[] _columns =
    [
        ("RAM", static vm => Known(vm, Figures.Bytes(vm.Totals.Ram))),
        ("RES", static vm => Pages(vm, vm.Totals.Resident)),
        ("SWAP", static vm => Pages(vm, vm.Totals.Swapped)),
        ("GIVEN", static vm => Known(vm, Figures.Bytes(vm.GivenBack))),
        ("LOCK", static vm => Known(vm, Figures.Bytes(vm.Totals.Locked))),
        ("GUARD", static vm => Known(vm, Figures.Bytes(vm.Totals.Guarded))),
        ("NODMP", static vm => Known(vm, Figures.Bytes(vm.Totals.NoDump))),
        ("SPLIT", static vm => Known(vm, Figures.Percent(vm.Statistic("splits"), vm.Statistic("splits_limit")))),
        ("REQ/S", static vm => vm.Rate is { } rate ? Figures.Count(rate) : "-"),
        ("REFUS", static vm => Known(vm, Figures.Count(vm.Refusals))),
    ];

    /// <summary>The table.</summary>
    /// <param name="vms">A row each.</param>
    /// <param name="selected">The row to mark; -1 for none.</param>
    internal static IRenderable Render(IReadOnlyList<Snapshot> vms, int selected = -1)
    {
        var table = new Grid();
        table.AddColumn(new GridColumn { Padding = new Padding(0, 0, 1, 0), NoWrap = true });
        table.AddColumn(new GridColumn { Padding = new Padding(0, 0, 1, 0), Alignment = Justify.Right, NoWrap = true });
        foreach ((string Head, Func<Snapshot, string> Value) _ in _columns)
        {
            table.AddColumn(new GridColumn { Padding = new Padding(0, 0, 1, 0), Alignment = Justify.Right, NoWrap = true });
        }

        table.AddRow([Head("NAME"), Head("PID"), .. _columns.Select(column => Head(column.Head))]);
        for (int index = 0; index < vms.Count; index++)
        {
            Snapshot vm = vms[index];
            Style style = index == selected ? new Style(decoration: Decoration.Invert) : Style.Plain;
            string name = vm.Name.Length <= NameWidth ? vm.Name : vm.Name[..(NameWidth - 1)] + "~";
            table.AddRow(
            [
                new Text(name, style), new Text($"{vm.Pid}", style),
                .. _columns.Select(column => new Text(column.Value(vm), style)),
            ]);
        }

        return table;
    }

    private static Text Head(string text) => new(text, new Style(decoration: Decoration.Bold));

    private static string Known(Snapshot vm, string value) => vm.Statistics.Count == 0 ? "-" : value;

    private static string Pages(Snapshot vm, ulong bytes) => vm.PagesSeen ? Figures.Bytes(bytes) : "?";
}
