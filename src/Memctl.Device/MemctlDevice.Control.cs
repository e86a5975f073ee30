using Memctl.Device.Channels;
using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.State;

namespace Memctl.Device;

/// <content>Life cycle: reset, switches, save and restore.</content>
public sealed partial class MemctlDevice
{
    /// <summary>As a reset of the virtual machine: disconnected, and all that the guest has set on its memory reverted.</summary>
    /// <exception cref="DeviceException">Something could not be reverted.</exception>
    public void Reset()
    {
        int first = 0;
        lock (_transportLock)
        {
            Disconnect(null);
            Volatile.Write(ref _payload, 0);
            lock (_control)
            {
                RegionMap map = _memory.Map;
                foreach (MemoryRegion region in map.Regions)
                {
                    int errno = _attributes.Revert(map, region.GuestAddress, region.End, forget: false);
                    first = first != 0 ? first : errno;
                }
            }
        }

        ThrowIfNotReverted(0, ulong.MaxValue, first);
    }

    /// <summary>Ends the device's work: when it returns no request is in progress and none will be served.</summary>
    public void Stop()
    {
        lock (_transportLock)
        {
            Disconnect(null);
            lock (_control)
            {
                _memory.Publish(RegionMap.Empty);
            }
        }
    }

    /// <summary>Switches reports to the dirty log. When it returns, every change that a request has yet to make is reported, or none is.</summary>
    /// <exception cref="DeviceException">The VMM gave no dirty log.</exception>
    public void SetDirtyLogging(bool enabled)
    {
        if (enabled && _dirtyLog is null)
        {
            throw new DeviceException(DeviceFault.InvalidArgument, "The VMM gave the memctl device no callback for changed memory.");
        }

        lock (_control)
        {
            _switches.DirtyLogging = enabled;
            _channels.Synchronize();
        }
    }

    /// <summary>Switches the refusal of functions that drop memory contents. When it returns, no discard is in progress.</summary>
    public void InhibitDiscard(bool enabled)
    {
        lock (_control)
        {
            _switches.DiscardInhibited = enabled;
            _channels.Synchronize();
        }
    }

    /// <summary>Switches whether inaccessible pages are kept readable, for a VMM that copies guest memory.</summary>
    /// <exception cref="DeviceException">The kernel refused for some page; the message contains the errno.</exception>
    public void KeepReadable(bool enabled)
    {
        int errno;
        lock (_control)
        {
            errno = _attributes.KeepReadable(enabled);
        }

        if (errno != 0)
        {
            throw new DeviceException(DeviceFault.HostCallFailed, $"An inaccessible page could not be switched: errno {errno}.");
        }
    }

    /// <summary>The device's whole state. The vCPUs must be paused.</summary>
    public DeviceState Save()
    {
        lock (_transportLock)
        {
            return new DeviceState(_options.Dialect.Name, _pageSize, _transport, _payload, BufferAddresses(), _attributes.Save());
        }
    }

    /// <summary>Puts a saved state into a new device whose memory is registered and filled. The vCPUs must not run yet.</summary>
    /// <exception cref="DeviceException">The state does not fit, or the kernel refused; the device is as before.</exception>
    public void Restore(DeviceState state)
    {
        lock (_transportLock)
        {
            lock (_control)
            {
                new StateCheck(_options, _pageSize, _memory.Map).Check(state);
                if (_transport != TransportState.Disconnected || _attributes.Splits != 0)
                {
                    throw new DeviceException(DeviceFault.InvalidState, "A state can be restored only into a device that was just created.");
                }

                int errno = _attributes.Restore(state.Attributes);
                if (errno != 0)
                {
                    throw new DeviceException(DeviceFault.HostCallFailed,
                        $"What the guest had set on its memory could not be set again: errno {errno}.");
                }
            }

            foreach (ulong buffer in state.BufferAddresses)
            {
                _channels.TryAdd(buffer);
            }

            Volatile.Write(ref _payload, state.Payload);
            if (state.Transport == TransportState.Ready)
            {
                OpenChannels();
            }

            _transport = state.Transport;
        }

        DeviceLog.Restored(_logger, state.Transport.ToString(), state.BufferAddresses.Count, state.Attributes.Count);
    }

    private ulong[] BufferAddresses()
    {
        ulong[] addresses = new ulong[_channels.Count];
        ReadOnlySpan<Channel> made = _channels.Made;
        for (int index = 0; index < addresses.Length; index++)
        {
            addresses[index] = made[index].BufferAddress;
        }

        return addresses;
    }
}
