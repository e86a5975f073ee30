using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Fuzz;

/// <summary>What a guest has set on one page, in the model's own words.</summary>
internal readonly record struct ModelPage(int Closed, bool Locked, bool DontDump, int Merging, ulong Name);

/// <summary>A region as the model keeps it.</summary>
internal sealed record ModelRegion(ulong Start, ulong End, ulong Host);

/// <summary>
/// The device written down a second time in the plainest way: one entry for every page, lists searched from the front. It
/// says what every access must answer and what the kernel must then hold for every page.
/// </summary>
internal sealed class DeviceModel(int maxChannels, int maxSplits, ulong maxLocked)
{
    internal const ulong Page = 4096;

    private static readonly ModelPage _plain = new(0, false, false, 0, 0);

    private Dictionary<ulong, ModelPage> _pages = [];

    internal string State { get; private set; } = "Disconnected";

    internal ulong Payload { get; set; }

    internal List<ulong> Buffers { get; } = [];

    internal List<ModelRegion> Regions { get; } = [];

    internal bool Inhibited { get; set; }

    internal bool KeptReadable { get; set; }

    internal bool KeptAccessible { get; set; }

    internal uint CommandReads => State == "Disconnected" ? Wire.ERROR : Wire.ACK;

    internal ModelPage At(ulong page) => _pages.GetValueOrDefault(page, _plain);

    internal ulong Splits => SplitsOf(_pages);

    internal ulong LockedBytes => LockedOf(_pages);

    internal ModelRegion? RegionOf(ulong address) => Regions.Find(region => address >= region.Start && address < region.End);

    internal bool Covers(ulong address, ulong length)
    {
        if (length > ulong.MaxValue - address)
        {
            return false;
        }

        ulong next = address;
        do
        {
            ModelRegion? region = RegionOf(next);
            if (region is null)
            {
                return false;
            }

            next = region.End;
        }
        while (next < address + length);
        return true;
    }

    internal void Command(uint command)
    {
        switch (command)
        {
            case Wire.RESET:
                Buffers.Clear();
                State = "Registering";
                break;
            case Wire.REGISTER when State == "Registering" && Buffers.Count < maxChannels && Covers(Payload, 32) && !AnyProtected(Payload):
                Buffers.Add(Payload);
                Payload = Wire.FirstChannel + (uint)Buffers.Count - 1;
                break;
            case Wire.READY when State == "Registering":
                State = "Ready";
                _pages = [];
                break;
            case Wire.DISCONNECT:
                Disconnect();
                break;
            default:
                Buffers.Clear();
                State = "Disconnected";
                break;
        }
    }

    internal void Disconnect()
    {
        Buffers.Clear();
        State = "Disconnected";
        _pages = [];
    }

    internal void Forget(ulong start, ulong end) =>
        _pages = _pages.Where(entry => entry.Key < start || entry.Key >= end).ToDictionary();

    /// <summary>What a request must answer, by errno and code; the change is made. The kernel failed in that region, or nowhere.</summary>
    internal (int Errno, uint Code) Request(
        ulong code, ulong addr, ulong length, ulong arg, (ModelRegion Region, int Errno)? failedIn)
    {
        if (code >= (ulong)Wire.MemctlCodes.Length)
        {
            return (Wire.EOPNOTSUPP, Wire.UNKNOWN_FUNCTION);
        }

        string function = Wire.MemctlCodes[code];
        return function == "INFO" ? (0, 0) : CarryOut(function, addr, length, arg, failedIn);
    }

    /// <summary>What a list that was read must answer, and how many entries are carried out.</summary>
    internal (int Errno, uint Code, int Done) RequestList(ulong code, (ulong Addr, ulong Length)[] entries, ulong arg)
    {
        if (code == 0 || code >= (ulong)Wire.MemctlCodes.Length)
        {
            return (Wire.EOPNOTSUPP, Wire.UNKNOWN_FUNCTION, 0);
        }

        for (int done = 0; done < entries.Length; done++)
        {
            (int errno, uint error) = CarryOut(Wire.MemctlCodes[code], entries[done].Addr, entries[done].Length, arg, failedIn: null);
            if (errno != 0)
            {
                return (errno, error, done);
            }
        }

        return (0, 0, entries.Length);
    }

    private (int Errno, uint Code) CarryOut(
        string function, ulong addr, ulong length, ulong arg, (ModelRegion Region, int Errno)? failedIn)
    {
        if (addr % Page != 0 || length % Page != 0)
        {
            return (Wire.EINVAL, Wire.UNALIGNED);
        }

        if (!Covers(addr, length))
        {
            return (Wire.EINVAL, Wire.NOT_GUEST_MEMORY);
        }

        if (length == 0)
        {
            return (0, 0);
        }

        if (function is "DONTNEED" or "REMOVE" or "FREE" or "PAGEOUT")
        {
            return Inhibited && function != "PAGEOUT" ? (Wire.EBUSY, Wire.DISCARD_INHIBITED) : (failedIn?.Errno ?? 0, 0);
        }

        if (function is "MPROTECT_NONE" or "MPROTECT_R" && Buffers.Exists(buffer => buffer + 31 >= addr && buffer < addr + length))
        {
            return (Wire.EBUSY, Wire.HOLDS_BUFFER);
        }

        Dictionary<ulong, ModelPage> after = Changed(function, addr, addr + length, arg);
        if (SplitsOf(after) > (ulong)maxSplits && SplitsOf(after) > Splits)
        {
            return (Wire.ENOMEM, Wire.SPLIT_BUDGET);
        }

        if (LockedOf(after) > maxLocked && LockedOf(after) > LockedBytes)
        {
            return (Wire.ENOMEM, Wire.LOCK_BUDGET);
        }

        if (failedIn is not { } failure)
        {
            _pages = after;
            return (0, 0);
        }

        Dictionary<ulong, ModelPage> partly = Changed(function, addr, Math.Max(addr, failure.Region.Start), arg);
        if (SplitsOf(partly) <= (ulong)maxSplits || SplitsOf(partly) <= Splits)
        {
            _pages = partly;
        }

        return (failure.Errno, 0);
    }

    /// <summary>A vCPU ran into a page, or into one that is not known. Whether anything was protected there.</summary>
    internal bool ResolveFault(ulong? address)
    {
        ulong[] opened = address is { } known
            ? [.. PagesLike(known / Page * Page)]
            : [.. _pages.Where(entry => entry.Value.Closed != 0).Select(entry => entry.Key)];
        foreach (ulong page in opened)
        {
            _pages[page] = _pages[page] with { Closed = 0 };
        }

        return opened.Length > 0;
    }

    /// <summary>What the kernel must hold for a page.</summary>
    internal KernelPage KernelPageOf(ulong page)
    {
        ModelPage set = At(page);
        int kept = KeptAccessible ? 3 : KeptReadable ? 1 : 0;
        return new KernelPage((3 & ~set.Closed) | kept, set.Locked, set.DontDump, set.Merging == 1, set.Name == 0 ? "" : $"memctl-{set.Name}");
    }

    /// <summary>A protected page and those in a row with it that are as it is; none if it is not protected.</summary>
    private IEnumerable<ulong> PagesLike(ulong page)
    {
        ModelPage like = At(page);
        ulong first = page;
        while (like.Closed != 0 && At(first - Page) == like)
        {
            first -= Page;
        }

        for (ulong next = first; like.Closed != 0 && At(next) == like; next += Page)
        {
            yield return next;
        }
    }

    private bool AnyProtected(ulong buffer) =>
        (At(buffer / Page * Page).Closed & 2) != 0 || (At((buffer + 31) / Page * Page).Closed & 2) != 0;

    private Dictionary<ulong, ModelPage> Changed(string function, ulong start, ulong end, ulong arg)
    {
        var after = new Dictionary<ulong, ModelPage>(_pages);
        for (ulong page = start; page < end; page += Page)
        {
            ModelPage old = At(page);
            after[page] = function switch
            {
                "UNMERGEABLE" => old with { Merging = 2 },
                "DONTDUMP" => old with { DontDump = true },
                "MLOCK" => old with { Locked = true },
                "MUNLOCK" => old with { Locked = false },
                "MPROTECT_NONE" => old with { Closed = 3 },
                "MPROTECT_R" => old with { Closed = 2 },
                "MPROTECT_W" => old with { Closed = 1 },
                "MPROTECT_RW" => old with { Closed = 0 },
                _ => old with { Name = arg },
            };
        }

        return after;
    }

    private static ulong SplitsOf(Dictionary<ulong, ModelPage> pages)
    {
        ulong splits = 0;
        foreach ((ulong page, ModelPage set) in pages)
        {
            splits += set != pages.GetValueOrDefault(page - Page, _plain) ? 1u : 0u;
            splits += set != _plain && !pages.ContainsKey(page + Page) ? 1u : 0u;
        }

        return splits;
    }

    private static ulong LockedOf(Dictionary<ulong, ModelPage> pages) => (ulong)pages.Values.Count(page => page.Locked) * Page;
}
