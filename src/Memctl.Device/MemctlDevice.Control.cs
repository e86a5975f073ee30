using Memctl.Device.Channels;
using Memctl.Device.Host;
using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.State;

namespace Memctl.Device;

/// <content>Life cycle: reset, switches, save and restore.</content>
public sealed partial class MemctlDevice
{
    /// <summary>As a reset of the virtual machine: disconnected, and all that the guest has set on its memory reverted.</summary>
    /// <exception cref="DeviceException">Something could not be reverted.</exception>
    public void Reset()
    {
        int errno;
        lock (_transportLock)
        {
            Disconnect();
            Volatile.Write(ref _payload, 0);
            errno = RevertAll();
        }

        ThrowIfNotReverted(0, ulong.MaxValue, errno);
    }

    /// <summary>Ends the device's work: when it returns no request is in progress and none will be served.</summary>
    public void Stop()
    {
        lock (_transportLock)
        {
            Disconnect();
            lock (_control)
            {
                _memory.Publish(RegionMap.Empty);
            }
        }
    }

    /// <summary>
    /// Switches reports to the dirty log. When it returns, every change that a request has yet to make is reported, or none is.
    /// </summary>
    /// <exception cref="DeviceException">The VMM gave no dirty log.</exception>
    public void SetDirtyLogging(bool enabled)
    {
        if (enabled && _dirtyLog is null)
        {
            throw new DeviceException(DeviceFault.InvalidArgument, "The VMM gave the memctl device no callback for changed memory.");
        }

        lock (_control)
        {
            _memory.DirtyLogging = enabled;
            _channels.Synchronize();
        }
    }

    /// <summary>
    /// Switches the refusal of functions that drop memory contents. When it returns, no discard is in progress.
    /// </summary>
    public void InhibitDiscard(bool enabled)
    {
        lock (_control)
        {
            _memory.DiscardInhibited = enabled;
            _channels.Synchronize();
        }
    }

    /// <summary>Switches whether every page is kept readable, for a VMM that copies guest memory.</summary>
    /// <exception cref="DeviceException">The kernel refused for some page; the message contains the errno.</exception>
    public void KeepReadable(bool enabled) => Keep(ref _keepsReadable, enabled);

    /// <summary>Switches whether every page is kept readable and writable, for a VMM that has guest memory pinned.</summary>
    /// <exception cref="DeviceException">The kernel refused for some page; the message contains the errno.</exception>
    public void KeepAccessible(bool enabled) => Keep(ref _keepsAccessible, enabled);

    /// <summary>
    /// A vCPU ran into guest RAM that this process can't access. Where the operator wants it, makes accessible what the guest had
    /// protected there: the whole extent. If this returns, the vCPU may run again.
    /// </summary>
    /// <param name="guestAddress">
    /// Guest-physical; null if the kernel did not report it, which stands for all of guest RAM.
    /// </param>
    /// <exception cref="DeviceException">
    /// NotFound: the guest has protected nothing there, or another vCPU's call has just opened it. Denied: <c>on_fault</c> is
    /// stop. HostCallFailed: the kernel refused.
    /// </exception>
    public void ResolveFault(ulong? guestAddress)
    {
        string place = guestAddress is { } address ? $"at {address:x}" : "at an address that the kernel did not report";
        if (_options.OnFault == FaultPolicy.Stop)
        {
            throw new DeviceException(DeviceFault.Denied, $"A vCPU ran into guest RAM {place}, and on_fault is stop.");
        }

        // Without _control: this may wait for a guest's host call, and a control call must not wait for that.
        int errno = _attributes.Open(guestAddress, out ulong opened);
        Interlocked.Add(ref _openedBytes, opened);
        if (opened > 0 && MayLog())
        {
            GuestRecords.Write(_logger, new OpenedRecord(guestAddress, opened));
        }

        if (errno != 0)
        {
            throw new DeviceException(DeviceFault.HostCallFailed, $"Guest RAM {place} could not be made accessible: errno {errno}.");
        }

        if (opened == 0)
        {
            throw new DeviceException(DeviceFault.NotFound, $"A vCPU ran into guest RAM {place}, where the guest has protected nothing.");
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

    private void Keep(ref bool reason, bool enabled)
    {
        int errno;
        lock (_control)
        {
            reason = enabled;
            errno = _attributes.Keep(
                _keepsAccessible ? MemoryProtection.ReadWrite
                : _keepsReadable ? MemoryProtection.Read
                : MemoryProtection.None);
        }

        if (errno != 0)
        {
            throw new DeviceException(DeviceFault.HostCallFailed, $"A protected page could not be switched: errno {errno}.");
        }
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
