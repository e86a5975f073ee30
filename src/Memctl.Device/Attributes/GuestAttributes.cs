using System.Diagnostics;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Attributes;

/// <summary>
/// What the guest has set on its memory: the record and the kernel's mappings, kept in step, within the operator's budgets.
/// The record is what travels in a snapshot and what tells the device which pages it must not touch.
/// </summary>
/// <remarks>
/// One lock guards the record and is held over the host call, so that two requests on the same page leave record and
/// kernel agreed. Only functions that change mappings take it: the kernel runs those one at a time too
/// (mmap_lock). A failed call is undone from the record: a request that failed has set nothing in its region.
/// </remarks>
public sealed class GuestAttributes(HostMappings mappings, int maxSplits, ulong maxLocked)
{
    private readonly Lock _gate = new();
    private AttributeMap _record = new(RoomFor(maxSplits));
    private AttributeMap _spare = new(RoomFor(maxSplits));

    /// <summary>
    /// How many runs a record may have: what the budget allows, and one more for each region that the VMM may cut out of the
    /// middle of a run.
    /// </summary>
    public static int RoomFor(int maxSplits) => maxSplits + RegionMap.MostRegions;

    /// <summary>The budget of mappings that the guest may have split off.</summary>
    public int MaxSplits => maxSplits;

    /// <summary>The budget of locked bytes.</summary>
    public ulong MaxLocked => maxLocked;

    /// <summary>Mappings that the guest has split off.</summary>
    public int Splits
    {
        get
        {
            lock (_gate)
            {
                return _record.Splits;
            }
        }
    }

    /// <summary>Bytes that the guest has locked.</summary>
    public ulong LockedBytes
    {
        get
        {
            lock (_gate)
            {
                return _record.LockedBytes;
            }
        }
    }

    /// <summary>Carries out a request, region by region. The range is page-aligned, not empty, and covered by the map.</summary>
    /// <param name="map">Guest RAM as the request sees it.</param>
    /// <param name="address">Guest-physical address of the range.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="change">What to change.</param>
    /// <param name="error">Which budget is spent, or NONE.</param>
    /// <returns>0 or an errno. After a failed host call the regions before it keep the change, within the budgets.</returns>
    public int Apply(RegionMap map, ulong address, ulong length, AttributeChange change, out DeviceError error)
    {
        lock (_gate)
        {
            error = CheckBudgets(address, address + length, change);
            if (error != DeviceError.NONE)
            {
                return Errno.ENOMEM;
            }

            AttributeKind kind = HostMappings.KindOf(change.Function);
            PageAttributes wanted = change.ApplyTo(PageAttributes.AsRegistered);
            foreach (Piece piece in map.Pieces(address, length))
            {
                int errno = mappings.Set(piece, kind, wanted);
                if (errno != 0)
                {
                    PutBack(piece, kind);
                    KeepOrPutBack(map, address, piece.GuestAddress, change);
                    return errno;
                }
            }

            Commit();
            return 0;
        }
    }

    /// <summary>Whether the device itself can't read and write every page of [start, end).</summary>
    public bool IsClosed(ulong start, ulong end)
    {
        lock (_gate)
        {
            return _record.IsClosed(start, end);
        }
    }

    /// <summary>Gives a region back as it was registered. No request may be using it.</summary>
    /// <param name="region">Which.</param>
    /// <param name="forget">
    /// Whether the region goes away, and with it what could not be lifted. Where it stays, the record keeps that: it must go on
    /// telling which pages are closed.
    /// </param>
    /// <returns>0, or the errno of the first call that failed; the rest was tried all the same.</returns>
    public int Lift(MemoryRegion region, bool forget)
    {
        lock (_gate)
        {
            int failed = 0;
            bool fits = true;
            var whole = new Piece(region.GuestAddress, region.Length, region);
            _spare.Clear();
            foreach (AttributeExtent run in _record.Runs)
            {
                ulong from = Math.Clamp(region.GuestAddress, run.Start, run.End);
                ulong to = Math.Clamp(region.End, run.Start, run.End);
                int errno = from < to ? LiftHost(whole.Within(from, to), run.Attributes) : 0;
                failed = First(failed, errno);
                fits &= _spare.TryAppend(run.Start, from, run.Attributes);
                fits &= errno == 0 || forget || _spare.TryAppend(from, to, run.Attributes);
                fits &= _spare.TryAppend(to, run.End, run.Attributes);
            }

            Debug.Assert(fits, "A region's cut adds at most one run, and there is room for one for each region.");
            Commit();
            return failed;
        }
    }

    /// <summary>Switches the holding of closed pages as readable, and makes the kernel's mappings so.</summary>
    /// <returns>0, or the errno of the first call that failed.</returns>
    public int HoldReadable(RegionMap map, bool enabled)
    {
        lock (_gate)
        {
            mappings.HoldReadable = enabled;
            int errno = 0;
            foreach (AttributeExtent run in _record.Runs)
            {
                if (run.Attributes.Protection == MemoryProtection.None)
                {
                    errno = First(errno, SetAll(map, run, AttributeKind.Protection));
                }
            }

            return errno;
        }
    }

    /// <summary>A copy of the record.</summary>
    public AttributeExtent[] Save()
    {
        lock (_gate)
        {
            return _record.Runs.ToArray();
        }
    }

    /// <summary>Takes over the record of another device and puts it on this one's memory, of which nothing has been set yet.</summary>
    /// <param name="map">Guest RAM; it covers every run.</param>
    /// <param name="runs">Sorted, page-aligned, apart, and within the budgets.</param>
    /// <returns>0, or the errno of the call that failed; then nothing is set.</returns>
    public int Restore(RegionMap map, ReadOnlySpan<AttributeExtent> runs)
    {
        lock (_gate)
        {
            _record.Clear();
            foreach (AttributeExtent run in runs)
            {
                int errno = _record.TryAppend(run.Start, run.End, run.Attributes) ? PutOn(map, run) : Errno.ENOMEM;
                if (errno != 0)
                {
                    foreach (AttributeExtent done in _record.Runs)
                    {
                        foreach (Piece piece in map.Pieces(done.Start, done.End - done.Start))
                        {
                            LiftHost(piece, done.Attributes);
                        }
                    }

                    _record.Clear();
                    return errno;
                }
            }

            return 0;
        }
    }

    private static int First(int errno, int next) => errno != 0 ? errno : next;

    private DeviceError CheckBudgets(ulong start, ulong end, AttributeChange change)
    {
        bool fits = _spare.TryAssign(_record, start, end, change);
        if (!fits || (_spare.Splits > maxSplits && _spare.Splits > _record.Splits))
        {
            return DeviceError.SPLIT_BUDGET;
        }

        return _spare.LockedBytes > maxLocked && _spare.LockedBytes > _record.LockedBytes
            ? DeviceError.LOCK_BUDGET
            : DeviceError.NONE;
    }

    private void Commit() => (_record, _spare) = (_spare, _record);

    /// <summary>
    /// Records the part [start, end) of a request that failed later. Where that part alone is over a budget that the whole was not (it
    /// would have merged runs further up), it is undone too: what can't be recorded must not stay set.
    /// </summary>
    private void KeepOrPutBack(RegionMap map, ulong start, ulong end, AttributeChange change)
    {
        if (start == end)
        {
            return;
        }

        if (CheckBudgets(start, end, change) == DeviceError.NONE)
        {
            Commit();
            return;
        }

        foreach (Piece piece in map.Pieces(start, end - start))
        {
            PutBack(piece, HostMappings.KindOf(change.Function));
        }
    }

    /// <summary>Makes the kernel's mapping of a piece as the record has it: a failed call may have changed a part of it.</summary>
    private void PutBack(Piece piece, AttributeKind kind)
    {
        ulong next = piece.GuestAddress;
        for (int index = _record.IndexOf(next); next < piece.End; index++)
        {
            ReadOnlySpan<AttributeExtent> runs = _record.Runs;
            AttributeExtent run = index < runs.Length ? runs[index] : new AttributeExtent(piece.End, piece.End, default);
            ulong from = Math.Min(run.Start, piece.End);
            if (from > next)
            {
                mappings.Set(piece.Within(next, from), kind, PageAttributes.AsRegistered);
                next = from;
            }

            ulong to = Math.Min(run.End, piece.End);
            if (to > next)
            {
                mappings.Set(piece.Within(next, to), kind, run.Attributes);
                next = to;
            }
        }
    }

    private int PutOn(RegionMap map, AttributeExtent run)
    {
        int errno = 0;
        foreach (AttributeKind kind in HostMappings.Kinds)
        {
            errno = errno == 0 && IsSet(run.Attributes, kind) ? UnlessNameless(kind, SetAll(map, run, kind)) : errno;
        }

        return errno;
    }

    /// <summary>
    /// A name is for the eyes of an operator: a kernel built without names is no reason to lose a guest that comes from elsewhere,
    /// nor to fail its reset.
    /// </summary>
    private static int UnlessNameless(AttributeKind kind, int errno) =>
        kind == AttributeKind.Name && errno == Errno.EINVAL ? 0 : errno;

    private int SetAll(RegionMap map, AttributeExtent run, AttributeKind kind)
    {
        int errno = 0;
        foreach (Piece piece in map.Pieces(run.Start, run.End - run.Start))
        {
            errno = First(errno, mappings.Set(piece, kind, run.Attributes));
        }

        return errno;
    }

    private int LiftHost(Piece piece, PageAttributes attributes)
    {
        int errno = 0;
        foreach (AttributeKind kind in HostMappings.Kinds)
        {
            errno = First(errno, IsSet(attributes, kind)
                ? UnlessNameless(kind, mappings.Set(piece, kind, PageAttributes.AsRegistered)) : 0);
        }

        return errno;
    }

    private static bool IsSet(PageAttributes attributes, AttributeKind kind) => kind switch
    {
        AttributeKind.Protection => attributes.Closed != MemoryProtection.None,
        AttributeKind.Lock => attributes.Locked,
        AttributeKind.Dump => attributes.DontDump,
        AttributeKind.Merging => attributes.Merging != Merging.AsRegistered,
        _ => attributes.Name != 0,
    };
}
