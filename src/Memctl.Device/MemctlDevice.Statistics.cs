using Memctl.Device.Channels;
using Memctl.Device.Functions;

namespace Memctl.Device;

/// <content>Counters and gauges. Reading them takes no lock and waits for nobody.</content>
public sealed partial class MemctlDevice
{
    /// <summary>Counters and gauges, always in the same order for one device. docs/options.md describes each.</summary>
    public IReadOnlyList<DeviceCounter> Counters()
    {
        var sink = new ListSink([]);
        ReadCounters(ref sink);
        return sink.Counters;
    }

    /// <summary>
    /// The same without allocating. A heap that grows waits for the kernel's lock of the address space, which a guest's MLOCK holds.
    /// </summary>
    public void ReadCounters<TSink>(ref TSink sink)
        where TSink : ICounterSink, allows ref struct
    {
        foreach (Function function in _options.Dialect.Functions)
        {
            FunctionCounters sum = default;
            foreach (Channel channel in _channels.Made)
            {
                channel.AddTo(ref sum, function);
            }

            sink.Add(function.RequestsCounter, sum.Requests);
            sink.Add(function.ErrorsCounter, sum.Errors);
            sink.Add(function.BytesCounter, sum.Bytes);
        }

        _rules.Refusals.Read(ref sink);
        sink.Add("ignored_accesses", Volatile.Read(ref _ignoredAccesses));
        sink.Add("unanswered_requests", Volatile.Read(ref _unansweredRequests));
        sink.Add("refused_commands", Volatile.Read(ref _refusedCommands));
        sink.Add("suppressed_log_records", _logLimit.Suppressed);
        sink.Add("channels", (ulong)_channels.Count);
        sink.Add("channels_limit", (ulong)_channels.Limit);
        sink.Add("locked_bytes", _attributes.LockedBytes);
        sink.Add("locked_bytes_limit", _attributes.MaxLocked);
        sink.Add("inaccessible_bytes", _attributes.InaccessibleBytes);
        sink.Add("opened_bytes", Volatile.Read(ref _openedBytes));
        sink.Add("splits", (ulong)_attributes.Splits);
        sink.Add("splits_limit", (ulong)_attributes.MaxSplits);
        sink.Add("discard_inhibited", _memory.DiscardInhibited ? 1u : 0u);
    }

    private readonly struct ListSink(List<DeviceCounter> counters) : ICounterSink
    {
        internal List<DeviceCounter> Counters => counters;

        public void Add(string name, ulong value) => counters.Add(new DeviceCounter(name, value));
    }
}
