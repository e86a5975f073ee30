using System.Text.Json.Serialization;

namespace Memctl.Top.Model;

/// <summary>What was seen of one memctl device of one virtual machine at one moment: all that any view shows.</summary>
internal sealed record Snapshot
{
    /// <summary>The layout of this as JSON. It changes when a field goes or changes its meaning.</summary>
    internal const int KnownVersion = 1;

    public int Version { get; init; } = KnownVersion;

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>The VMM's process.</summary>
    public required int Pid { get; init; }

    /// <summary>The VM's name, with the device's behind it from the second device on.</summary>
    public required string Name { get; init; }

    /// <summary>The VMM's name of the device; empty if the VMM did not answer.</summary>
    public string Device { get; init; } = "";

    /// <summary>What could not be seen, and why: a sentence each.</summary>
    public IReadOnlyList<string> Unseen { get; init; } = [];

    /// <summary>
    /// Whether <see cref="Amounts.Resident"/>, <see cref="Amounts.Swapped"/> and <see cref="Amounts.Huge"/> were read.
    /// </summary>
    public bool PagesSeen { get; init; }

    /// <summary>Guest RAM in all.</summary>
    public Amounts Totals { get; init; } = new();

    /// <summary>The device's counters.</summary>
    public IReadOnlyDictionary<string, ulong> Statistics { get; init; } = new Dictionary<string, ulong>();

    /// <summary>Requests a second by function, since the sample before; null if there was none.</summary>
    public IReadOnlyDictionary<string, double>? Rates { get; init; }

    /// <summary>What lies under each of the guest's names.</summary>
    public IReadOnlyList<NameTotal> Names { get; init; } = [];

    /// <summary>Guest RAM, sorted; neighbours are one.</summary>
    public IReadOnlyList<RamExtent> Ram { get; init; } = [];

    /// <summary>The map; null if guest RAM is not known.</summary>
    public MemoryMap? Map { get; init; }

    /// <summary>Milliseconds that it took to read the pages.</summary>
    public double ReadMilliseconds { get; init; }

    /// <summary>A counter's value, or 0 where the device has none of that name.</summary>
    internal ulong Statistic(string name) => Statistics.GetValueOrDefault(name);

    /// <summary>The functions that the device counts, in its order.</summary>
    internal IEnumerable<string> Functions => Statistics.Keys
        .Where(static name => name.StartsWith(RequestsPrefix, StringComparison.Ordinal))
        .Select(static name => name[RequestsPrefix.Length..]);

    /// <summary>Bytes that the guest has given back so far: DONTNEED, REMOVE, FREE.</summary>
    internal ulong GivenBack => Statistic("bytes_DONTNEED") + Statistic("bytes_REMOVE") + Statistic("bytes_FREE");

    /// <summary>Requests that the device refused, for all reasons.</summary>
    internal ulong Refusals => Refused.Aggregate(0ul, static (sum, refused) => sum + refused.Count);

    /// <summary>Requests that the device refused, by reason.</summary>
    internal IEnumerable<(string Reason, ulong Count)> Refused => Statistics
        .Where(static counter =>
            counter.Key.StartsWith(RefusedPrefix, StringComparison.Ordinal) && counter.Key != RefusedCommands)
        .Select(static counter => (counter.Key[RefusedPrefix.Length..], counter.Value));

    /// <summary>Requests a second, of all functions.</summary>
    internal double? Rate => Rates?.Values.Sum();

    internal const string RequestsPrefix = "requests_";
    internal const string RefusedPrefix = "refused_";

    /// <summary>Counts transport commands, not requests.</summary>
    internal const string RefusedCommands = "refused_commands";
}

/// <summary>Snapshots as JSON, read and written by code generated at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(Snapshot))]
internal sealed partial class SnapshotJson : JsonSerializerContext;
