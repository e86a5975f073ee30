using Memctl.Device.Attributes;
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

        var record = new AttributeMap(GuestAttributes.RoomFor(options.MaxSplits));
        ulong end = 0;
        foreach (AttributeExtent run in state.Attributes)
        {
            Require(run.Start >= end && run.End > run.Start && ((run.Start | run.End) & (pageSize - 1)) == 0,
                "The saved state is damaged: its ranges are not in order, or not whole pages.");
            Require(map.Covers(run.Start, run.End - run.Start),
                $"The saved state has attributes on [{run.Start:x}, {run.End:x}), which is not guest RAM here.");
            Require(record.TryAppend(run.Start, run.End, run.Attributes),
                $"The saved state splits off more mappings than this device's limit of {options.MaxSplits}.");
            Require(run.Attributes.Merging != Merging.Mergeable || options.Dialect.Has(Protocol.Function.MERGEABLE),
                $"The saved state is damaged: dialect '{options.Dialect.Name}' can't make pages mergeable.");
            Require(record.LockedBytes <= options.MaxLocked,
                $"The saved state has more bytes locked than this device's limit of {options.MaxLocked}.");
            end = run.End;
        }

        foreach (ulong buffer in state.BufferAddresses)
        {
            Require(buffer + Protocol.Request.Size > buffer && !record.IsClosed(buffer, buffer + Protocol.Request.Size),
                "The saved state is damaged: a channel's buffer wraps, or is in a closed page.");
        }
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new DeviceException(DeviceFault.InvalidState, otherwise);
        }
    }
}
