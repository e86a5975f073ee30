using Memctl.Device.Channels;
using Memctl.Device.Functions;
using Memctl.Device.Protocol;

namespace Memctl.Device;

/// <content>Counters and gauges. Reading them takes no lock and waits for nobody.</content>
public sealed partial class MemctlDevice
{
    /// <summary>Counters and gauges, always in the same order for one device. docs/options.md describes each.</summary>
    public IReadOnlyList<DeviceCounter> Counters()
    {
        var counters = new List<DeviceCounter>();
        foreach (Function function in _options.Dialect.Functions)
        {
            FunctionCounters sum = default;
            foreach (Channel channel in _channels.Made)
            {
                channel.AddTo(ref sum, function);
            }

            counters.Add(new DeviceCounter($"requests_{function}", sum.Requests));
            counters.Add(new DeviceCounter($"errors_{function}", sum.Errors));
            counters.Add(new DeviceCounter($"bytes_{function}", sum.Bytes));
        }

        foreach (DeviceError error in Enum.GetValues<DeviceError>())
        {
            if (error != DeviceError.NONE)
            {
                counters.Add(new DeviceCounter($"refused_{error}", _rules.Refusals[error]));
            }
        }

        counters.Add(new DeviceCounter("ignored_accesses", Volatile.Read(ref _ignoredAccesses)));
        counters.Add(new DeviceCounter("unanswered_requests", Volatile.Read(ref _unansweredRequests)));
        counters.Add(new DeviceCounter("refused_commands", Volatile.Read(ref _refusedCommands)));
        counters.Add(new DeviceCounter("suppressed_log_records", _logLimit.Suppressed));
        counters.Add(new DeviceCounter("channels", (ulong)_channels.Count));
        counters.Add(new DeviceCounter("channels_limit", (ulong)_channels.Limit));
        counters.Add(new DeviceCounter("locked_bytes", _attributes.LockedBytes));
        counters.Add(new DeviceCounter("locked_bytes_limit", _attributes.MaxLocked));
        counters.Add(new DeviceCounter("inaccessible_bytes", _attributes.InaccessibleBytes));
        counters.Add(new DeviceCounter("opened_bytes", Volatile.Read(ref _openedBytes)));
        counters.Add(new DeviceCounter("splits", (ulong)_attributes.Splits));
        counters.Add(new DeviceCounter("splits_limit", (ulong)_attributes.MaxSplits));
        counters.Add(new DeviceCounter("discard_inhibited", _memory.DiscardInhibited ? 1u : 0u));
        return counters;
    }
}
