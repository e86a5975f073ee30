using System.Globalization;
using System.Text;
using Memctl.Top.Model;

namespace Memctl.Top.Views;

/// <summary>A page that stands alone: no network, no other file, light or dark as the reader's browser is.</summary>
internal sealed class HtmlReport
{
    private const int MaxNames = 100;

    private readonly StringBuilder _page = new();

    private HtmlReport()
    {
    }

    /// <summary>The page.</summary>
    /// <param name="snapshots">Of one VM or of several; those of one name are moments of it, in order.</param>
    internal static string Page(IReadOnlyList<Snapshot> snapshots)
    {
        var report = new HtmlReport();
        report.Add($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>memctl-top</title>
            <style>
            {Markup.Resource("map.css")}{Markup.Resource("report.css")}</style>
            </head>
            <body>
            """);
        foreach (IGrouping<string, Snapshot> vm in snapshots.GroupBy(snapshot => snapshot.Name))
        {
            report.AddVm(vm.Key, [.. vm]);
        }

        report.AddLegend();
        report.Add($"<script>\n{Markup.Resource("report.js")}</script>\n</body>\n</html>");
        return report._page.ToString();
    }

    private void Add(FormattableString text) => _page.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');

    private void AddVm(string name, IReadOnlyList<Snapshot> moments)
    {
        Add($"<section class=\"vm\">\n<h1>{Markup.Escape(name)}</h1>");
        if (moments.Count > 1)
        {
            int last = moments.Count - 1;
            Add($"""
                <div class="moments" hidden><button type="button">Play</button>
                <input type="range" aria-label="Moment" min="0" max="{last}" value="{last}"></div>
                """);
        }

        for (int index = 0; index < moments.Count; index++)
        {
            Snapshot vm = moments[index];
            string which = moments.Count > 1 ? $"Moment {index + 1} of {moments.Count}: " : "";
            Add($"""
                <div class="moment">
                <p class="faint">{which}{vm.Time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, process {vm.Pid}</p>
                """);
            foreach (string sentence in vm.Unseen)
            {
                Add($"<p class=\"unseen\">Not seen: {Markup.Escape(sentence)}</p>");
            }

            AddCards(vm);
            AddMap(vm);
            AddNames(vm);
            AddRequests(vm);
            Add($"</div>");
        }

        Add($"</section>");
    }

    private void AddCards(Snapshot vm)
    {
        Amounts totals = vm.Totals;
        (ulong locked, ulong lockedLimit) = (vm.Statistic("locked_bytes"), vm.Statistic("locked_bytes_limit"));
        (ulong splits, ulong splitsLimit) = (vm.Statistic("splits"), vm.Statistic("splits_limit"));
        Add($"<div class=\"cards\">");
        AddCard("RAM of the guest", Figures.Bytes(totals.Ram));
        AddCard("resident on the host", Pages(vm, totals.Resident), totals.Resident, totals.Ram);
        AddCard("of that on huge pages", Pages(vm, totals.Huge));
        AddCard("swapped out", Pages(vm, totals.Swapped));
        AddCard("given back so far", Figures.Bytes(vm.GivenBack));
        AddCard("locked, of its budget", Figures.Bytes(locked), locked, lockedLimit);
        AddCard("inaccessible", Figures.Bytes(totals.Guarded));
        AddCard("read-only", Figures.Bytes(totals.ReadOnly));
        AddCard("not in dumps", Figures.Bytes(totals.NoDump));
        AddCard("splits, of their budget", Figures.Count(splits), splits, splitsLimit);
        AddCard("requests a second", vm.Rate is { } rate ? Figures.Count(rate) : "-");
        AddCard("requests refused", Figures.Count(vm.Refusals));
        Add($"</div>");
    }

    private void AddCard(string label, string value, ulong used = 0, ulong limit = 0)
    {
        string meter = limit == 0 ? "" : $"<meter min=\"0\" max=\"{limit}\" value=\"{used}\"></meter>";
        Add($"<div class=\"card\"><b>{value}</b>{label}{meter}</div>");
    }

    private void AddMap(Snapshot vm)
    {
        if (vm.Map is { } map)
        {
            Add($"""
                <h2>Memory</h2>
                <p>Each cell is {Figures.Bytes(map.CellBytes)} of the guest's memory, each row {Figures.Bytes(map.RowBytes)},
                from the address on its left. Point at a cell to read what is in it.</p>
                <div class="scroll">{SvgMap.Element(vm)}</div>
                """);
        }
    }

    private void AddNames(Snapshot vm)
    {
        if (vm.Names.Count == 0)
        {
            return;
        }

        Add($"<h2>Named by the guest</h2>\n<table>");
        AddRow("th", "name", "bytes", "resident", "locked", "inaccessible", "not in dumps");
        foreach (NameTotal name in vm.Names.OrderByDescending(name => name.Ram).Take(MaxNames))
        {
            AddRow(
                "td", Figures.Name(name.Name), Figures.Bytes(name.Ram), Pages(vm, name.Resident), Figures.Bytes(name.Locked),
                Figures.Bytes(name.Guarded), Figures.Bytes(name.NoDump));
        }

        Add($"</table>");
        if (vm.Names.Count > MaxNames)
        {
            Add($"<p>And {vm.Names.Count - MaxNames} names more.</p>");
        }
    }

    private void AddRequests(Snapshot vm)
    {
        string[] asked = [.. vm.Functions.Where(function => vm.Statistic(Snapshot.RequestsPrefix + function) != 0)];
        if (asked.Length == 0)
        {
            return;
        }

        Add($"<h2>Requests of the guest</h2>\n<table>");
        AddRow("th", "function", "requests", "errors", "bytes", "a second");
        foreach (string function in asked)
        {
            AddRow(
                "td",
                Markup.Escape(function),
                $"{vm.Statistic(Snapshot.RequestsPrefix + function)}",
                $"{vm.Statistic("errors_" + function)}",
                Figures.Bytes(vm.Statistic("bytes_" + function)),
                vm.Rates is { } rates ? Figures.Count(rates.GetValueOrDefault(function)) : "-");
        }

        Add($"</table>");
        foreach ((string reason, ulong count) in vm.Refused.Where(refused => refused.Count != 0))
        {
            Add($"<p>{count} refused: {Markup.Escape(reason)}</p>");
        }
    }

    private void AddLegend()
    {
        Add($"<h2>What the colours and letters mean</h2>\n<table class=\"legend\">");
        foreach (Mark mark in Mark.All)
        {
            Add($"""
                <tr><td><svg class="swatch" viewBox="0 0 20 20"><rect class="{mark.Word}" width="20" height="20"/></svg></td>
                <td class="why"><b>{mark.Letter}</b> {mark.Word}</td><td class="why">{mark.Meaning}</td></tr>
                """);
        }

        Add($"""
            </table>
            <p>A cell shows the first of these that is true of a part of it. A small letter, or a paler colour, stands for a
            part of the cell.</p>
            """);
    }

    private void AddRow(string kind, params ReadOnlySpan<string> cells)
    {
        _page.Append("<tr>");
        foreach (string cell in cells)
        {
            _page.Append(CultureInfo.InvariantCulture, $"<{kind}>{cell}</{kind}>");
        }

        _page.Append("</tr>\n");
    }

    private static string Pages(Snapshot vm, ulong bytes) => vm.PagesSeen ? Figures.Bytes(bytes) : "?";
}
