using System.Text.Json.Serialization;

namespace Memctl.Top.Reading;

/// <summary>One device in the answer of a VMM to <c>GET vm.memctl</c> (docs/monitoring.md).</summary>
/// <param name="Id">The VMM's name of the device.</param>
/// <param name="Report">What the device reports.</param>
internal sealed record DeviceAnswer(string Id, DeviceReport Report);

/// <summary>
/// A device's report. Its fields are those of docs/monitoring.md, "The device's report"; unknown ones are skipped.
/// </summary>
internal sealed record DeviceReport
{
    /// <summary>The only layout that this program reads.</summary>
    internal const int KnownVersion = 1;

    public int Version { get; init; }

    public required IReadOnlyDictionary<string, ulong> Statistics { get; init; }

    public bool MemoryComplete { get; init; } = true;

    public required IReadOnlyList<RamSegment> Memory { get; init; }

    public required IReadOnlyList<AttributeExtent> Attributes { get; init; }

    /// <summary>A counter's value, or 0 where the device has none of that name.</summary>
    internal ulong Statistic(string name) => Statistics.GetValueOrDefault(name);
}

/// <summary>Guest RAM that is one stretch for the guest and in the VMM's process. Addresses and bytes.</summary>
internal readonly record struct RamSegment(ulong GuestAddress, ulong Length, ulong HostAddress)
{
    internal ulong End => GuestAddress + Length;
}

/// <summary>Pages on which the guest has set the same attributes. What it has not set is null or false.</summary>
internal sealed record AttributeExtent(
    ulong GuestAddress,
    ulong Length,
    string? Protection = null,
    bool Locked = false,
    bool Dontdump = false,
    bool? Mergeable = null,
    ulong Name = 0)
{
    internal ulong End => GuestAddress + Length;

    internal bool IsGuarded => Protection == "none";

    internal bool IsReadOnly => Protection == "r";
}

/// <summary>The answer to <c>GET vmm.ping</c>, as far as it is of use here.</summary>
internal sealed record PingAnswer(int Pid = 0);

/// <summary>Readers of a VMM's answers, generated at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(IReadOnlyList<DeviceAnswer>))]
[JsonSerializable(typeof(PingAnswer))]
internal sealed partial class AnswerJson : JsonSerializerContext;
