using Memctl.Device.Attributes;
using Memctl.Device.Functions;
using Memctl.Device.Memory;
using Memctl.Device.Options;

namespace Memctl.Device.State;

/// <summary>Whether a decoded state, which may come from anywhere, fits this device.</summary>
internal sealed class StateCheck(DeviceOptions options, ulong pageSize, RegionMap map)
{
    /// <exception cref="DeviceException">It does not; the message says why.</exception>
    internal void Check(DeviceState state)
    {
        Require(state.Dialect == options.Dialect.Name,
            $"The saved state speaks dialect '{state.Dialect}', this device '{options.Dialect.Name}'.");
        Require(state.PageSize == pageSize,
            $"The saved state is of a host with pages of {state.PageSize} bytes; this host's have {pageSize}.");
        Require(state.BufferAddresses.Count <= options.Channels,
            $"The saved state has {state.BufferAddresses.Count} channels; this device's limit is {options.Channels}.");
        Require(state.Transport != TransportState.Disconnected || state.BufferAddresses.Count == 0,
            "The saved state is damaged: it is disconnected and has channels.");

        CheckAttributes(state.Attributes);
        foreach (ulong buffer in state.BufferAddresses)
        {
            Require(buffer + Protocol.Request.Size > buffer && !IsProtected(state.Attributes, buffer, buffer + Protocol.Request.Size),
                "The saved state is damaged: a channel's buffer wraps, or is in a protected page.");
        }
    }

    private static bool IsProtected(IReadOnlyList<AttributeExtent> extents, ulong start, ulong end)
    {
        int low = 0;
        int high = extents.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            (low, high) = extents[middle].End <= start ? (middle + 1, high) : (low, middle);
        }

        for (; low < extents.Count && extents[low].Start < end; low++)
        {
            if (extents[low].Attributes.IsProtected)
            {
                return true;
            }
        }

        return false;
    }

    private void CheckAttributes(IReadOnlyList<AttributeExtent> extents)
    {
        bool canMerge = FunctionSet.Where(
            function => function.Merges && options.Dialect.Functions.Contains(function)) != FunctionSet.None;
        var last = default(AttributeExtent);
        ulong locked = 0;
        long splits = 0;
        foreach (AttributeExtent extent in extents)
        {
            Require(extent.Start >= last.End && extent.End > extent.Start && ((extent.Start | extent.End) & (pageSize - 1)) == 0,
                "The saved state is damaged: its extents are not in order, or not whole pages.");
            Require(map.Covers(extent.Start, extent.End - extent.Start),
                $"The saved state has attributes on [{extent.Start:x}, {extent.End:x}), which is not guest RAM here.");
            bool merges = extent.Attributes.Merging == Merging.Mergeable;
            Require(canMerge || !merges,
                $"The saved state is damaged: dialect '{options.Dialect.Name}' can't make pages mergeable.");
            Require(!merges || options.MayMerge || map.IsMergeable(extent.Start, extent.End - extent.Start),
                $"The saved state has [{extent.Start:x}, {extent.End:x}) mergeable; here neither memory nor 'allow' says so.");
            splits += SplitsBetween(last, extent);
            locked += extent.Attributes.Locked ? extent.End - extent.Start : 0;
            last = extent;
        }

        splits += SplitsBetween(last, new AttributeExtent(ulong.MaxValue, ulong.MaxValue, PageAttributes.AsRegistered));
        Require(locked <= options.MaxLocked,
            $"The saved state has {locked} bytes locked; this device's budget max_locked is {options.MaxLocked}.");
        Require(splits <= options.MaxSplits + VmmSplits(),
            $"The saved state splits off {splits} mappings; this device's budget max_splits is {options.MaxSplits}.");
    }

    /// <summary>
    /// The places between two extents where attributes differ, with pages as registered in between if they do not adjoin.
    /// </summary>
    private static int SplitsBetween(AttributeExtent before, AttributeExtent after)
    {
        if (before.End == after.Start)
        {
            return before.Attributes == after.Attributes ? 0 : 1;
        }

        return (before.Attributes == PageAttributes.AsRegistered ? 0 : 1) + (after.Attributes == PageAttributes.AsRegistered ? 0 : 1);
    }

    /// <summary>
    /// How many splits the VMM may have added to the guest's: two for each region or block taken out of an extent's middle.
    /// </summary>
    private long VmmSplits()
    {
        long gaps = map.Regions.Length - 1;
        foreach (MemoryRegion region in map.Regions)
        {
            gaps += region.Blocks;
        }

        return Math.Clamp(2 * gaps, 0, GuestAttributes.VmmSplits);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new DeviceException(DeviceFault.InvalidState, otherwise);
        }
    }
}
