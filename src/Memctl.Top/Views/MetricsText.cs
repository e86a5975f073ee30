using System.Globalization;
using System.Text;
using Memctl.Top.Model;

namespace Memctl.Top.Views;

/// <summary>
/// Snapshots as OpenMetrics text 1.0: base units, counters that end in <c>_total</c>, one family after the other, <c># EOF</c> at
/// the end. What a later plugin counts beyond what is known here comes out too, as <c>memctl_other</c>.
/// </summary>
internal static class MetricsText
{
    /// <summary>The content type of the text, for HTTP.</summary>
    internal const string ContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    private static readonly (string Name, string Unit, string Help, Func<Snapshot, ulong?> Value)[] _gauges =
    [
        ("memctl_ram_bytes", "bytes", "RAM of the guest.", Set(static totals => totals.Ram)),
        ("memctl_resident_bytes", "bytes", "RAM of the guest in the host's memory.", Pages(static totals => totals.Resident)),
        ("memctl_swapped_bytes", "bytes", "RAM of the guest on the host's swap.", Pages(static totals => totals.Swapped)),
        ("memctl_huge_bytes", "bytes", "RAM of the guest on huge pages.", Pages(static totals => totals.Huge)),
        ("memctl_read_only_bytes", "bytes", "RAM that the guest made read-only.", Set(static totals => totals.ReadOnly)),
        ("memctl_no_dump_bytes", "bytes", "RAM that the guest keeps out of core dumps.", Set(static totals => totals.NoDump)),
        ("memctl_unmergeable_bytes", "bytes", "RAM whose merging the guest forbids.", Set(static totals => totals.Unmergeable)),
        ("memctl_inaccessible_bytes", "bytes", "RAM that the guest made inaccessible.", Of("inaccessible_bytes")),
        ("memctl_locked_bytes", "bytes", "RAM that the guest has locked.", Of("locked_bytes")),
        ("memctl_locked_limit_bytes", "bytes", "Budget of locked RAM.", Of("locked_bytes_limit")),
        ("memctl_splits", "", "Mappings that the guest has split off.", Of("splits")),
        ("memctl_splits_limit", "", "Budget of splits.", Of("splits_limit")),
        ("memctl_channels", "", "Request buffers that the guest has registered.", Of("channels")),
        ("memctl_channels_limit", "", "Budget of channels.", Of("channels_limit")),
        ("memctl_discard_inhibited", "", "1 while the VMM forbids discards.", Of("discard_inhibited")),
        ("memctl_library_allocated_bytes", "bytes", "Allocated on the library's heap so far.", Of("managed_allocated_bytes")),
    ];

    private static readonly (string Name, string Unit, string Help, string Label, string Prefix)[] _families =
    [
        ("memctl_requests", "", "Requests answered.", "function", Snapshot.RequestsPrefix),
        ("memctl_request_errors", "", "Requests answered with an error.", "function", "errors_"),
        ("memctl_acted_bytes", "bytes", "Bytes that requests acted on.", "function", "bytes_"),
        ("memctl_refusals", "", "Requests that the device refused, by its error code.", "reason", Snapshot.RefusedPrefix),
    ];

    private static readonly (string Name, string Unit, string Help, string Counter)[] _counters =
    [
        ("memctl_refused_commands", "", "Transport commands that the device refused.", Snapshot.RefusedCommands),
        ("memctl_ignored_accesses", "", "Stores of the guest that mean nothing.", "ignored_accesses"),
        ("memctl_unanswered_requests", "", "Requests whose answer could not be written.", "unanswered_requests"),
        ("memctl_suppressed_log_records", "", "Log records over the limit.", "suppressed_log_records"),
        ("memctl_opened_bytes", "bytes", "RAM made accessible because a vCPU ran into it.", "opened_bytes"),
        ("memctl_library_collections", "", "Garbage collections in the library.", "managed_collections"),
    ];

    /// <summary>The text.</summary>
    internal static string Of(IReadOnlyList<Snapshot> vms)
    {
        var text = new StringBuilder();
        Family(text, "memctl_up", "gauge", "", "1 if the VMM answers.");
        foreach (Snapshot vm in vms)
        {
            Sample(text, "memctl_up", vm, "", vm.Statistics.Count == 0 ? 0ul : 1);
        }

        foreach ((string name, string unit, string help, Func<Snapshot, ulong?> value) in _gauges)
        {
            Family(text, name, "gauge", unit, help);
            foreach (Snapshot vm in vms)
            {
                Sample(text, name, vm, "", value(vm));
            }
        }

        foreach ((string name, string unit, string help, string label, string prefix) in _families)
        {
            Family(text, name, "counter", unit, help);
            foreach (Snapshot vm in vms)
            {
                foreach ((string counter, ulong value) in vm.Statistics.Where(counter => IsIn(counter.Key, prefix)))
                {
                    Sample(text, name + "_total", vm, $",{label}=\"{Escape(counter[prefix.Length..])}\"", value);
                }
            }
        }

        foreach ((string name, string unit, string help, string counter) in _counters)
        {
            Family(text, name, "counter", unit, help);
            foreach (Snapshot vm in vms)
            {
                Sample(text, name + "_total", vm, "", Of(counter)(vm));
            }
        }

        Family(text, "memctl_other", "unknown", "", "What this program does not know.");
        foreach (Snapshot vm in vms)
        {
            foreach ((string counter, ulong value) in vm.Statistics.Where(counter => !IsKnown(counter.Key)))
            {
                Sample(text, "memctl_other", vm, $",counter=\"{Escape(counter)}\"", value);
            }
        }

        return text.Append("# EOF\n").ToString();
    }

    private static readonly HashSet<string> _single =
    [
        "inaccessible_bytes", "locked_bytes", "locked_bytes_limit", "splits", "splits_limit", "channels", "channels_limit",
        "discard_inhibited", "managed_allocated_bytes", .. _counters.Select(static counter => counter.Counter),
    ];

    private static Func<Snapshot, ulong?> Pages(Func<Amounts, ulong> amount) => vm => vm.PagesSeen ? amount(vm.Totals) : null;

    private static Func<Snapshot, ulong?> Set(Func<Amounts, ulong> amount) => vm => vm.Map is null ? null : amount(vm.Totals);

    private static Func<Snapshot, ulong?> Of(string counter) =>
        vm => vm.Statistics.TryGetValue(counter, out ulong value) ? value : null;

    private static bool IsIn(string counter, string prefix) =>
        counter.StartsWith(prefix, StringComparison.Ordinal) && counter != Snapshot.RefusedCommands;

    private static bool IsKnown(string counter) =>
        _single.Contains(counter) || Array.Exists(_families, family => IsIn(counter, family.Prefix));

    private static void Family(StringBuilder text, string name, string type, string unit, string help)
    {
        text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {type}\n");
        if (unit.Length != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"# UNIT {name} {unit}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n");
    }

    private static void Sample(StringBuilder text, string name, Snapshot vm, string labels, ulong? value)
    {
        if (value is not null)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{name}{{vm=\"{Escape(vm.Name)}\",pid=\"{vm.Pid}\",device=\"{Escape(vm.Device)}\"{labels}}} {value}\n");
        }
    }

    private static string Escape(string text) => text.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", "\\n");
}
