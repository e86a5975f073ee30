using Memctl.Device.Functions;

namespace Memctl.Device.Options;

/// <summary>What an operator wants when a vCPU runs into a page that the guest protected.</summary>
public enum FaultPolicy
{
    /// <summary>The virtual machine stops: a guard did its work.</summary>
    Stop,

    /// <summary>
    /// The page is made accessible and the vCPU goes on: a kernel that dumps another's memory meets its guards.
    /// </summary>
    Open,
}

/// <summary>What an operator may set for a device, each with its default. docs/options.md is the page for operators.</summary>
public sealed record DeviceOptions
{
    /// <summary>The maximum of <see cref="Channels"/>: as many as Linux can have CPUs.</summary>
    public const int MaxChannels = 8192;

    /// <summary>The maximum of <see cref="MaxSplits"/>: half of the kernel's default vm.max_map_count.</summary>
    public const int MaxSplitsLimit = 32768;

    /// <summary>Which numbering of functions the guest's driver speaks.</summary>
    public Dialect Dialect { get; init; } = Dialect.Memctl;

    /// <summary>How many channels a guest may register: 1 to <see cref="MaxChannels"/>.</summary>
    public int Channels { get; init; } = 4096;

    /// <summary>How many bytes a guest may have locked.</summary>
    public ulong MaxLocked { get; init; } = 256ul << 20;

    /// <summary>How many mappings a guest may have split off: 0 to <see cref="MaxSplitsLimit"/>.</summary>
    public int MaxSplits { get; init; } = 16384;

    /// <summary>How many bytes a guest may have paged out in a second.</summary>
    public ulong MaxPageOut { get; init; } = 4ul << 30;

    /// <summary>How long a list of ranges is worked on before the guest is told to ask again with the rest.</summary>
    public TimeSpan MaxRequestTime { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>How many log records a guest may cause in a minute.</summary>
    public int MaxLogLines { get; init; } = 60;

    /// <summary>
    /// The functions that the policy lets a guest use. INFO is always among them: a driver can't start without it.
    /// </summary>
    public FunctionSet Allowed { get; init; } = FunctionSet.All;

    /// <summary>Whether MERGEABLE is allowed also in memory that the VMM did not make mergeable: <c>allow</c> names it.</summary>
    public bool MayMerge { get; init; }

    /// <summary>What becomes of a page that the guest protected when a vCPU runs into it.</summary>
    public FaultPolicy OnFault { get; init; }
}
