using Memctl.Top.Model;
using Memctl.Top.Reading;

namespace Memctl.Top.Tests;

/// <summary>Snapshots that no VM has, for views.</summary>
internal static class Samples
{
    internal const ulong Mib = 1 << 20;

    /// <summary>A guest of 256 MiB with something of everything, in cells of 256 KiB.</summary>
    internal static Snapshot Everything(string name = "vm")
    {
        RamSegment[] ram = [new(0, 256 * Mib, 0x7f00_0000_0000)];
        AttributeExtent[] attributes =
        [
            new(16 * Mib, Mib, "none"), new(20 * Mib, Mib, "r"), new(24 * Mib, Mib, Locked: true, Name: 12),
            new(28 * Mib, Mib, Dontdump: true), new(32 * Mib, Mib, Mergeable: false), new(36 * Mib, 2 * Mib, Name: 1234567),
        ];
        var builder = new MapBuilder(ram, attributes, 4096, MapWindow.All(16));
        builder.Add(0, 8 * Mib, PageKind.Resident);
        builder.Add(8 * Mib, 12 * Mib, PageKind.Resident | PageKind.Huge);
        builder.Add(12 * Mib, 14 * Mib, PageKind.Swapped);
        builder.Add(14 * Mib, 256 * Mib, PageKind.Absent);
        return new Snapshot
        {
            Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            Pid = 4711,
            Name = name,
            Device = "memctl",
            PagesSeen = true,
            Totals = builder.Totals,
            Names = builder.Names,
            Ram = RamExtent.Of(ram),
            Map = builder.Map,
            Rates = new Dictionary<string, double> { ["DONTNEED"] = 12.5, ["MLOCK"] = 0 },
            Statistics = new Dictionary<string, ulong>
            {
                ["requests_DONTNEED"] = 1500,
                ["errors_DONTNEED"] = 2,
                ["bytes_DONTNEED"] = 6 * Mib,
                ["requests_MLOCK"] = 1,
                ["errors_MLOCK"] = 0,
                ["bytes_MLOCK"] = Mib,
                ["refused_DENIED"] = 3,
                ["refused_commands"] = 1,
                ["splits"] = 12,
                ["splits_limit"] = 16384,
                ["locked_bytes"] = Mib,
                ["locked_bytes_limit"] = 256 * Mib,
                ["channels"] = 1,
                ["channels_limit"] = 4096,
                ["inaccessible_bytes"] = Mib,
                ["discard_inhibited"] = 0,
                ["ignored_accesses"] = 0,
                ["unanswered_requests"] = 0,
                ["suppressed_log_records"] = 0,
                ["managed_allocated_bytes"] = 1000,
                ["managed_collections"] = 0,
                ["of_a_later_plugin"] = 5,
            },
        };
    }

    /// <summary>A VM of which nothing can be seen.</summary>
    internal static Snapshot Nothing { get; } = new()
    {
        Time = DateTimeOffset.UnixEpoch,
        Pid = 4712,
        Name = "dark",
        Unseen = ["the VMM does not answer"],
    };
}
