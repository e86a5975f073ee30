using System.Runtime.CompilerServices;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Attributes;

/// <summary>
/// What the guest has set on its memory (protocol, "Attributes"): the attribute map and the kernel's mappings, in step, within
/// the operator's budgets. The map is what travels in a snapshot and what decides which pages the device must not touch.
/// </summary>
/// <remarks>
/// <para>One lock serialises host calls and is held over them (<see cref="BeginChange"/>), so that two requests on the same page
/// leave map and kernel agreed. Only functions that change mappings take it: the kernel runs those one at a time too
/// (mmap_lock). A call that fails is rolled back from the map: a request that failed has set nothing in its segment.</para>
/// <para>A second lock guards the map and is never held over a host call. So whoever only looks waits for no guest's system call:
/// statistics, saves, REGISTER, and memory that goes away and that no call in progress touches.</para>
/// </remarks>
public sealed partial class GuestAttributes(GuestMemory memory, HostMappings mappings, int maxSplits, ulong maxLocked)
{
    /// <summary>
    /// Splits that the VMM may add to the guest's: each region or block that is taken out of the middle of an extent adds two.
    /// </summary>
    public const int VmmSplits = 2 * RegionMap.MaxRegions;

    private readonly Lock _calls = new();
    private readonly Lock _data = new();
    private readonly AttributeMap _map = new(maxSplits + VmmSplits);

    // What a request changes at this moment, guarded by _data; empty if none does.
    private ulong _callStart;
    private ulong _callEnd;
    private AttributeChange _call;

    // Copies of the map's, for statistics.
    private int _splits;
    private ulong _lockedBytes;
    private ulong _inaccessibleBytes;

    /// <summary>The budget of mappings that the guest may have split off.</summary>
    public int MaxSplits => maxSplits;

    /// <summary>The budget of locked bytes.</summary>
    public ulong MaxLocked => maxLocked;

    /// <summary>Mappings that are split off. May be read by any thread, as the next two.</summary>
    public int Splits => Volatile.Read(ref _splits);

    /// <summary>Bytes that the guest has locked.</summary>
    public ulong LockedBytes => Volatile.Read(ref _lockedBytes);

    /// <summary>Bytes that the guest has made inaccessible.</summary>
    public ulong InaccessibleBytes => Volatile.Read(ref _inaccessibleBytes);

    /// <summary>Waits for other changes; the caller alone may call <see cref="Apply"/> until <see cref="EndChange"/>.</summary>
    public void BeginChange() => _calls.Enter();

    /// <summary>Lets the next one in.</summary>
    public void EndChange() => _calls.Exit();

    /// <summary>Waits until no change is in progress that began before the call.</summary>
    public void WaitForChange()
    {
        lock (_calls)
        {
            // To have had it is enough.
        }
    }

    /// <summary>
    /// Carries out a request, segment by segment, between <see cref="BeginChange"/> and <see cref="EndChange"/>.
    /// </summary>
    /// <param name="address">Guest-physical address of the range, page-aligned.</param>
    /// <param name="length">Bytes, page-aligned, not 0.</param>
    /// <param name="change">What to change.</param>
    /// <param name="error">Why the device refuses it, or NONE.</param>
    /// <returns>0 or an errno. After a failed host call the segments before it keep the change, within the budgets.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Apply(ulong address, ulong length, AttributeChange change, out DeviceError error)
    {
        Announce(address, address + length, change);
        try
        {
            // After the announcement: memory that goes away later waits for this call.
            RegionMap map = memory.Map;
            if (!map.Covers(address, length))
            {
                error = DeviceError.NOT_GUEST_MEMORY;
                return Errno.EINVAL;
            }

            error = CheckBudgets(address, address + length, change);
            return error == DeviceError.NONE ? ApplyTo(map, address, length, change) : Errno.ENOMEM;
        }
        finally
        {
            // Nothing was committed. Only who may call this writes the two, so they are read without the lock.
            if (_callStart != _callEnd)
            {
                Announce(0, 0, default);
            }
        }
    }

    /// <summary>Whether the device itself can't read and write every byte of [start, end), or soon can't.</summary>
    public bool IsProtected(ulong start, ulong end)
    {
        lock (_data)
        {
            return _map.IsProtected(start, end) || (IsCallOn(start, end) && _call.Protects);
        }
    }

    /// <summary>Whether there is room to make a range as registered, which may split an extent.</summary>
    public bool HasRoomToRevert(ulong start, ulong end)
    {
        lock (_data)
        {
            return _map.Splits + 2 <= _map.Capacity || _map.IsAsRegistered(start, end);
        }
    }

    /// <summary>
    /// Makes [start, end) as registered. The range is unpublished, so that no change of it begins any more, or no request is
    /// connected. Waits for a change in progress only if that or an earlier one touched the range.
    /// </summary>
    /// <param name="map">Guest RAM with the range in it.</param>
    /// <param name="start">Guest-physical, inside one region.</param>
    /// <param name="end">Guest-physical, past the last byte.</param>
    /// <param name="forget">
    /// Whether the memory goes away, and with it what could not be reverted. Where it stays, the map keeps that: it must go on
    /// saying which pages are protected.
    /// </param>
    /// <returns>0, or the errno of the first call that failed; the rest was tried all the same.</returns>
    public int Revert(RegionMap map, ulong start, ulong end, bool forget)
    {
        lock (_data)
        {
            if (_map.IsAsRegistered(start, end) && !IsCallOn(start, end))
            {
                return 0;
            }
        }

        lock (_calls)
        {
            int first = 0;
            foreach (AttributeKind kind in PageAttributes.Kinds)
            {
                int errno = Revert(map, kind, start, end, forget);
                first = first != 0 ? first : errno;
            }

            return first;
        }
    }

    /// <summary>All extents that are not as registered, in order.</summary>
    public AttributeExtent[] Save()
    {
        lock (_data)
        {
            return _map.Extents();
        }
    }

    /// <summary>
    /// Takes over the attributes of another device and applies them to this one's memory, of which nothing has been set yet.
    /// </summary>
    /// <param name="extents">Sorted, page-aligned, apart, covered by guest RAM and within the budgets.</param>
    /// <returns>0, or the errno of the call that failed; then nothing is set.</returns>
    public int Restore(IReadOnlyList<AttributeExtent> extents)
    {
        lock (_calls)
        {
            RegionMap map = memory.Map;
            for (int index = 0; index < extents.Count; index++)
            {
                int errno = ApplyExtent(map, extents[index]);
                if (errno != 0)
                {
                    for (int applied = 0; applied <= index; applied++)
                    {
                        RollBackExtent(map, extents[applied]);
                    }

                    return errno;
                }
            }

            lock (_data)
            {
                foreach (AttributeExtent extent in extents)
                {
                    foreach (AttributeKind kind in PageAttributes.Kinds)
                    {
                        _map.Apply(extent.Start, extent.End, new AttributeChange(kind, extent.Attributes));
                    }
                }

                PublishCosts();
            }

            return 0;
        }
    }

    private void Announce(ulong start, ulong end, AttributeChange change)
    {
        lock (_data)
        {
            (_callStart, _callEnd, _call) = (start, end, change);
        }
    }

    private bool IsCallOn(ulong start, ulong end) => _callStart < end && start < _callEnd;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int ApplyTo(RegionMap map, ulong address, ulong length, AttributeChange change)
    {
        mappings.PrepareToSplit(map, address, length);
        foreach (MemorySegment segment in map.Segments(address, length))
        {
            int errno = mappings.Set(segment, change);
            if (errno != 0)
            {
                RollBack(segment, change.Kind);
                KeepOrRollBack(map, address, segment.GuestAddress, change);
                return errno;
            }
        }

        Commit(address, address + length, change);
        return 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private DeviceError CheckBudgets(ulong start, ulong end, AttributeChange change)
    {
        AttributeCosts costs = _map.Measure(start, end, change);
        if (costs.Splits > Math.Min(Math.Max(maxSplits, _map.Splits), _map.Capacity))
        {
            return DeviceError.SPLIT_BUDGET;
        }

        return costs.LockedBytes > Math.Max(maxLocked, _map.LockedBytes) ? DeviceError.LOCK_BUDGET : DeviceError.NONE;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Commit(ulong start, ulong end, AttributeChange change)
    {
        lock (_data)
        {
            _map.Apply(start, end, change);
            PublishCosts();

            // The last host call of a request came before: it is no longer in progress.
            (_callStart, _callEnd) = (0, 0);
        }
    }

    private void PublishCosts()
    {
        Volatile.Write(ref _splits, _map.Splits);
        Volatile.Write(ref _lockedBytes, _map.LockedBytes);
        Volatile.Write(ref _inaccessibleBytes, _map.InaccessibleBytes);
    }

    /// <summary>
    /// Commits the part [start, end) of a request that failed later. Where that part alone is over a budget that the whole was
    /// not (it would have merged extents further up), it is rolled back too: what the map can't contain must not stay set.
    /// </summary>
    private void KeepOrRollBack(RegionMap map, ulong start, ulong end, AttributeChange change)
    {
        if (start == end)
        {
            return;
        }

        if (CheckBudgets(start, end, change) == DeviceError.NONE)
        {
            Commit(start, end, change);
            return;
        }

        foreach (MemorySegment segment in map.Segments(start, end - start))
        {
            RollBack(segment, change.Kind);
        }
    }

    /// <summary>
    /// Makes the kernel's mapping of a segment as the map describes it: a failed call may have changed a part of it.
    /// </summary>
    private void RollBack(MemorySegment segment, AttributeKind kind)
    {
        for (ulong next = segment.GuestAddress; next < segment.End;)
        {
            AttributeExtent extent = _map.ExtentAt(next, segment.End);
            mappings.Set(segment.Within(extent.Start, extent.End), new AttributeChange(kind, extent.Attributes));
            next = extent.End;
        }
    }

    /// <summary>
    /// Reverts one kind in a range. What lies between pages that have it is as registered already, so one call covers it too; but
    /// not for locks, which the VMM may have taken itself.
    /// </summary>
    private int Revert(RegionMap map, AttributeKind kind, ulong start, ulong end, bool forget)
    {
        var change = AttributeChange.Revert(kind);
        int first = 0;
        while (start < end)
        {
            (ulong from, ulong to) = _map.NextStretch(kind, start, end, overGaps: kind != AttributeKind.Lock);
            if (from < to)
            {
                int errno = mappings.SetAll(map, from, to, change);
                first = first != 0 ? first : errno;
                if (errno == 0 || forget)
                {
                    Commit(from, to, change);
                }
            }

            start = to;
        }

        return first;
    }

    private int ApplyExtent(RegionMap map, AttributeExtent extent)
    {
        mappings.PrepareToSplit(map, extent.Start, extent.End - extent.Start);
        foreach (AttributeKind kind in PageAttributes.Kinds)
        {
            var change = new AttributeChange(kind, extent.Attributes);
            int errno = extent.Attributes.Has(kind) ? mappings.SetAll(map, extent.Start, extent.End, change) : 0;
            if (errno != 0)
            {
                return errno;
            }
        }

        return 0;
    }

    private void RollBackExtent(RegionMap map, AttributeExtent extent)
    {
        foreach (AttributeKind kind in PageAttributes.Kinds)
        {
            if (extent.Attributes.Has(kind))
            {
                mappings.SetAll(map, extent.Start, extent.End, AttributeChange.Revert(kind));
            }
        }
    }
}
