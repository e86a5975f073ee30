using System.Diagnostics;
using Memctl.Top.Reading;

namespace Memctl.Top.Model;

/// <summary>Takes snapshots of one virtual machine. Keeps what it has opened, and the sample before, for rates.</summary>
internal sealed class VmReader(ProcFiles proc, Vmm vmm, TimeSpan patience) : IDisposable
{
    private readonly VmmApi? _api = vmm.Socket is null ? null : new VmmApi(vmm.Socket, patience);
    private readonly Dictionary<string, (IReadOnlyDictionary<string, ulong> Statistics, long Time)> _before = [];
    private GuestPages? _pages;

    /// <summary>The VM that it reads.</summary>
    internal Vmm Vmm => vmm;

    /// <inheritdoc/>
    public void Dispose()
    {
        _api?.Dispose();
        _pages?.Dispose();
    }

    /// <summary>Reads the counters alone, as the first sample for rates.</summary>
    internal async Task BeginRatesAsync()
    {
        try
        {
            foreach (DeviceAnswer answer in _api is null ? [] : await _api.ReportsAsync().ConfigureAwait(false))
            {
                RatesOf(answer);
            }
        }
        catch (UnseenException)
        {
            // The snapshot says so.
        }
    }

    /// <summary>One snapshot for each memctl device of the VM, at least one.</summary>
    internal async Task<IReadOnlyList<Snapshot>> ReadAsync(MapWindow window)
    {
        IReadOnlyList<DeviceAnswer> answers;
        try
        {
            answers = _api is null
                ? throw new UnseenException("its command line names no API socket: nothing of its guest is known")
                : await _api.ReportsAsync().ConfigureAwait(false);
        }
        catch (UnseenException exception)
        {
            return [Empty(exception.Message)];
        }

        return answers.Count == 0
            ? [Empty("it has no memctl device")]
            : [.. answers.Select((answer, index) => Read(answer, index, window))];
    }

    private Snapshot Empty(string unseen) =>
        new() { Time = DateTimeOffset.UtcNow, Pid = vmm.Pid, Name = vmm.Name, Unseen = [unseen] };

    private Snapshot Read(DeviceAnswer answer, int index, MapWindow window)
    {
        DeviceReport report = answer.Report;
        var unseen = new List<string>();
        if (!report.MemoryComplete)
        {
            unseen.Add("the guest's RAM is in more parts than a device reports: the upper ones are left out");
        }

        var builder = new MapBuilder(report.Memory, report.Attributes, (ulong)Environment.SystemPageSize, window);
        long started = Stopwatch.GetTimestamp();
        bool seen = TryReadPages(report, builder, unseen);
        double milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        if (!seen)
        {
            builder = new MapBuilder(report.Memory, report.Attributes, (ulong)Environment.SystemPageSize, window);
            foreach (RamSegment segment in report.Memory)
            {
                builder.Add(segment.GuestAddress, segment.End, PageKind.Absent);
            }
        }

        return new Snapshot
        {
            Time = DateTimeOffset.UtcNow,
            Pid = vmm.Pid,
            Name = index == 0 ? vmm.Name : $"{vmm.Name}/{ProcFiles.Printable(answer.Id)}",
            Device = ProcFiles.Printable(answer.Id),
            Unseen = unseen,
            PagesSeen = seen,
            Totals = builder.Totals,
            Statistics = report.Statistics,
            Rates = RatesOf(answer),
            Names = builder.Names,
            Ram = RamExtent.Of(report.Memory),
            Map = report.Memory.Count == 0 ? null : builder.Map,
            ReadMilliseconds = milliseconds,
        };
    }

    private bool TryReadPages(DeviceReport report, MapBuilder builder, List<string> unseen)
    {
        try
        {
            _pages ??= new GuestPages(proc, vmm.Pid, (ulong)Environment.SystemPageSize);
            _pages.Read(report.Memory, builder.Add);
            if (_pages.MissesSharedPages)
            {
                unseen.Add("without CAP_SYS_ADMIN, shared memory that the VMM does not map looks as if it were gone");
            }

            return true;
        }
        catch (UnauthorizedAccessException)
        {
            unseen.Add($"/proc/{vmm.Pid}/pagemap is another user's: what is resident, swapped or huge is not known");
        }
        catch (IOException exception)
        {
            unseen.Add($"the pages of process {vmm.Pid}: {exception.Message}");
        }

        return false;
    }

    private Dictionary<string, double>? RatesOf(DeviceAnswer answer)
    {
        long now = Stopwatch.GetTimestamp();
        bool has = _before.TryGetValue(answer.Id, out (IReadOnlyDictionary<string, ulong> Statistics, long Time) before);
        _before[answer.Id] = (answer.Report.Statistics, now);
        if (!has)
        {
            return null;
        }

        double seconds = Stopwatch.GetElapsedTime(before.Time, now).TotalSeconds;
        return answer.Report.Statistics
            .Where(counter => counter.Key.StartsWith(Snapshot.RequestsPrefix, StringComparison.Ordinal))
            .ToDictionary(
                counter => counter.Key[Snapshot.RequestsPrefix.Length..],
                counter => (counter.Value - Math.Min(counter.Value, before.Statistics.GetValueOrDefault(counter.Key))) / seconds);
    }
}
