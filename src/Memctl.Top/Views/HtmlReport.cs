using System.Globalization;
using System.Text;
using Memctl.Top.Model;

namespace Memctl.Top.Views;

/// <summary>A page that stands alone: no network, no other file, light or dark as the reader's browser is.</summary>
internal static class HtmlReport
{
    /// <summary>The page.</summary>
    /// <param name="snapshots">Of one VM or of several; those of one name are moments of it, in order.</param>
    internal static string Page(IReadOnlyList<Snapshot> snapshots)
    {
        var page = new StringBuilder();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.Append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>memctl-top</title>\n");
        page.Append(CultureInfo.InvariantCulture, $"<style>\n{Markup.Resource("map.css")}{Markup.Resource("report.css")}</style>\n</head>\n<body>\n");
        foreach (IGrouping<string, Snapshot> vm in snapshots.GroupBy(snapshot => snapshot.Name))
        {
            AppendVm(page, vm.Key, [.. vm]);
        }

        AppendLegend(page);
        page.Append(CultureInfo.InvariantCulture, $"<script>\n{Markup.Resource("report.js")}</script>\n</body>\n</html>\n");
        return page.ToString();
    }

    private static void AppendVm(StringBuilder page, string name, IReadOnlyList<Snapshot> moments)
    {
        page.Append(CultureInfo.InvariantCulture, $"<section class=\"vm\">\n<h1>{Markup.Escape(name)}</h1>\n");
        if (moments.Count > 1)
        {
            page.Append(CultureInfo.InvariantCulture, $"<div class=\"moments\" hidden><button type=\"button\">Play</button><input type=\"range\" aria-label=\"Moment\" min=\"0\" max=\"{moments.Count - 1}\" value=\"{moments.Count - 1}\"></div>\n");
        }

        for (int index = 0; index < moments.Count; index++)
        {
            Snapshot vm = moments[index];
            string which = moments.Count > 1 ? $"Moment {index + 1} of {moments.Count}: " : "";
            page.Append(CultureInfo.InvariantCulture, $"<div class=\"moment\" data-moment=\"{index}\">\n<p class=\"faint\">{which}{vm.Time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, process {vm.Pid}</p>\n");
            AppendUnseen(page, vm);
            AppendCards(page, vm);
            AppendMap(page, vm);
            AppendNames(page, vm);
            AppendRequests(page, vm);
            page.Append("</div>\n");
        }

        page.Append("</section>\n");
    }

    private static void AppendUnseen(StringBuilder page, Snapshot vm)
    {
        foreach (string sentence in vm.Unseen)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"unseen\">Not seen: {Markup.Escape(sentence)}</p>\n");
        }
    }

    private static void AppendCards(StringBuilder page, Snapshot vm)
    {
        Amounts totals = vm.Totals;
        page.Append("<div class=\"cards\">\n");
        Card("RAM of the guest", Figures.Bytes(totals.Ram));
        Card("resident on the host", Pages(vm, totals.Resident), totals.Resident, totals.Ram);
        Card("of that on huge pages", Pages(vm, totals.Huge));
        Card("swapped out", Pages(vm, totals.Swapped));
        Card("given back so far", Figures.Bytes(vm.GivenBack));
        Card("locked, of its budget", Figures.Bytes(vm.Statistic("locked_bytes")), vm.Statistic("locked_bytes"), vm.Statistic("locked_bytes_limit"));
        Card("inaccessible", Figures.Bytes(totals.Guarded));
        Card("read-only", Figures.Bytes(totals.ReadOnly));
        Card("not in dumps", Figures.Bytes(totals.NoDump));
        Card("splits, of their budget", Figures.Count(vm.Statistic("splits")), vm.Statistic("splits"), vm.Statistic("splits_limit"));
        Card("requests a second", vm.Rate is { } rate ? Figures.Count(rate) : "-");
        Card("requests refused", Figures.Count(vm.Refusals));
        page.Append("</div>\n");

        void Card(string label, string value, ulong used = 0, ulong limit = 0)
        {
            page.Append(CultureInfo.InvariantCulture, $"<div class=\"card\"><b>{value}</b>{label}");
            if (limit != 0)
            {
                page.Append(CultureInfo.InvariantCulture, $"<meter min=\"0\" max=\"{limit}\" value=\"{used}\"></meter>");
            }

            page.Append("</div>\n");
        }
    }

    private static void AppendMap(StringBuilder page, Snapshot vm)
    {
        if (vm.Map is { } map)
        {
            page.Append(CultureInfo.InvariantCulture, $"<h2>Memory</h2>\n<p>Each cell is {Figures.Bytes(map.CellBytes)} of the guest's memory, each row {Figures.Bytes(map.RowBytes)}, from the address on its left. Point at a cell to read what is in it.</p>\n");
            page.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\">{SvgMap.Element(vm)}</div>\n");
        }
    }

    private static void AppendNames(StringBuilder page, Snapshot vm)
    {
        if (vm.Names.Count == 0)
        {
            return;
        }

        page.Append("<h2>Named by the guest</h2>\n<table>\n<tr><th>name</th><th>bytes</th><th>resident</th><th>locked</th><th>inaccessible</th><th>not in dumps</th></tr>\n");
        foreach (NameTotal name in vm.Names.OrderByDescending(name => name.Ram).Take(100))
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Figures.Name(name.Name)}</td><td>{Figures.Bytes(name.Ram)}</td><td>{Pages(vm, name.Resident)}</td><td>{Figures.Bytes(name.Locked)}</td><td>{Figures.Bytes(name.Guarded)}</td><td>{Figures.Bytes(name.NoDump)}</td></tr>\n");
        }

        page.Append("</table>\n");
        if (vm.Names.Count > 100)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>And {vm.Names.Count - 100} names more.</p>\n");
        }
    }

    private static void AppendRequests(StringBuilder page, Snapshot vm)
    {
        if (vm.Functions.All(function => vm.Statistic(Snapshot.RequestsPrefix + function) == 0))
        {
            return;
        }

        page.Append("<h2>Requests of the guest</h2>\n<table>\n<tr><th>function</th><th>requests</th><th>errors</th><th>bytes</th><th>a second</th></tr>\n");
        foreach (string function in vm.Functions.Where(function => vm.Statistic(Snapshot.RequestsPrefix + function) != 0))
        {
            string rate = vm.Rates is { } rates ? Figures.Count(rates.GetValueOrDefault(function)) : "-";
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Markup.Escape(function)}</td><td>{vm.Statistic(Snapshot.RequestsPrefix + function)}</td><td>{vm.Statistic("errors_" + function)}</td><td>{Figures.Bytes(vm.Statistic("bytes_" + function))}</td><td>{rate}</td></tr>\n");
        }

        page.Append("</table>\n");
        foreach ((string reason, ulong count) in vm.Refused.Where(refused => refused.Count != 0))
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>{count} refused: {Markup.Escape(reason)}</p>\n");
        }
    }

    private static void AppendLegend(StringBuilder page)
    {
        page.Append("<h2>What the colours and letters mean</h2>\n<table class=\"legend\">\n");
        foreach (Mark mark in Mark.All)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td><span class=\"swatch\"><svg viewBox=\"0 0 20 20\"><rect class=\"{mark.Word}\" width=\"20\" height=\"20\"/></svg></span></td><td class=\"why\"><b>{mark.Letter}</b> {mark.Word}</td><td class=\"why\">{mark.Meaning}</td></tr>\n");
        }

        page.Append("</table>\n<p>A cell shows the first of these that is true of a part of it. A small letter, or a paler colour, stands for a part of the cell.</p>\n");
    }

    private static string Pages(Snapshot vm, ulong bytes) => vm.PagesSeen ? Figures.Bytes(bytes) : "?";
}
