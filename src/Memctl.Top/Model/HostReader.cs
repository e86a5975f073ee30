using System.Globalization;
using Memctl.Top.Reading;

namespace Memctl.Top.Model;

/// <summary>Takes snapshots of the VMs of this host: of one that is named, or of all that come and go.</summary>
internal sealed class HostReader : IDisposable
{
    /// <summary>How long a list of processes is good for: to look through all of them costs more than to look at a VM.</summary>
    private static readonly TimeSpan _listLife = TimeSpan.FromSeconds(5);

    private readonly ProcFiles _proc;
    private readonly bool _isOne;
    private readonly TimeSpan _patience;
    private readonly Dictionary<int, VmReader> _readers = [];
    private DateTime _listed;

    private HostReader(ProcFiles proc, Vmm? one, TimeSpan patience)
    {
        _proc = proc;
        _patience = patience;
        _isOne = one is not null;
        if (one is not null)
        {
            _readers.Add(one.Pid, new VmReader(proc, one, patience));
        }
    }

    /// <summary>Processes that could not be looked into when the VMs were last listed.</summary>
    internal int Hidden { get; private set; }

    /// <summary>Reads all VMs of the host.</summary>
    /// <param name="proc">Where processes are.</param>
    /// <param name="patience">How long to wait for an answer of a VMM.</param>
    internal static HostReader OfAll(ProcFiles proc, TimeSpan patience) => new(proc, null, patience);

    /// <summary>Reads one VM.</summary>
    /// <param name="proc">Where processes are.</param>
    /// <param name="which">A process id, the path of an API socket, or a name.</param>
    /// <param name="patience">How long to wait for an answer of the VMM.</param>
    /// <exception cref="UnseenException">There is none.</exception>
    internal static async Task<HostReader> OfOneAsync(ProcFiles proc, string which, TimeSpan patience)
    {
        if (int.TryParse(which, NumberStyles.None, CultureInfo.InvariantCulture, out int pid))
        {
            return proc.Exists(pid)
                ? new HostReader(proc, proc.Describe(pid), patience)
                : throw new UnseenException($"there is no process {pid}");
        }

        if (which.Contains('/'))
        {
            using var api = new VmmApi(which, patience);
            string name = ProcFiles.Printable(ProcFiles.NameOf(which));
            int process = await api.ProcessIdAsync().ConfigureAwait(false);
            return new HostReader(proc, new Vmm(process, name, Path.GetFullPath(which)), patience);
        }

        Vmm[] found = [.. proc.FindAll().Vmms.Where(vmm => vmm.Name == which)];
        return found.Length switch
        {
            1 => new HostReader(proc, found[0], patience),
            0 => throw new UnseenException($"no VM of this host is called {which}: name its process id or its API socket"),
            _ => throw new UnseenException($"several VMs are called {which}: {string.Join(", ", found.Select(vmm => vmm.Pid))}"),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VmReader reader in _readers.Values)
        {
            reader.Dispose();
        }
    }

    /// <summary>Takes the first sample for rates, of the VMs that there are.</summary>
    internal async Task BeginRatesAsync()
    {
        List();
        foreach (VmReader reader in _readers.Values)
        {
            await reader.BeginRatesAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A snapshot of each device, by process id.</summary>
    internal async Task<IReadOnlyList<Snapshot>> ReadAsync(Func<Vmm, MapWindow> window)
    {
        List();
        var snapshots = new List<Snapshot>();
        foreach (VmReader reader in _readers.Values.OrderBy(reader => reader.Vmm.Pid))
        {
            snapshots.AddRange(await reader.ReadAsync(window(reader.Vmm)).ConfigureAwait(false));
        }

        return snapshots;
    }

    private void List()
    {
        if (_isOne || DateTime.UtcNow - _listed < _listLife)
        {
            return;
        }

        (IReadOnlyList<Vmm> vmms, Hidden) = _proc.FindAll();
        _listed = DateTime.UtcNow;
        foreach (Vmm gone in _readers.Values.Select(reader => reader.Vmm).Except(vmms).ToList())
        {
            _readers[gone.Pid].Dispose();
            _readers.Remove(gone.Pid);
        }

        foreach (Vmm vmm in vmms.Where(vmm => !_readers.ContainsKey(vmm.Pid)))
        {
            _readers.Add(vmm.Pid, new VmReader(_proc, vmm, _patience));
        }
    }
}
