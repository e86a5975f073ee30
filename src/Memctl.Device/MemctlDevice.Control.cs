using Memctl.Device.Attributes;
using Memctl.Device.Channels;
using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;
using Memctl.Device.State;

namespace Memctl.Device;

/// <content>What the VMM does with the device: memory, reset, switches, save and restore, counters.</content>
public sealed partial class MemctlDevice
{
    /// <summary>Adds guest RAM. Requests that start after the return see it.</summary>
    /// <exception cref="DeviceException">It overlaps what is there, is not made of whole pages, or there are too many regions.</exception>
    public void RegisterMemory(ulong guestAddress, ulong length, nuint hostAddress, RegionTraits traits, ulong blockSize = 0)
    {
        if (length == 0 || ((guestAddress | length | hostAddress) & (_pageSize - 1)) != 0 ||
            guestAddress + length <= guestAddress || hostAddress + (nuint)length <= hostAddress)
        {
            throw new DeviceException(DeviceFault.InvalidArgument,
                $"Guest RAM [{guestAddress:x}, +{length:x}) is empty, wraps, or is not made of whole pages of {_pageSize} bytes.");
        }

        var region = new MemoryRegion(guestAddress, length, hostAddress, traits);
        if (blockSize != 0 && (!System.Numerics.BitOperations.IsPow2(blockSize) || blockSize < _pageSize ||
            ((guestAddress | length) & (blockSize - 1)) != 0))
        {
            throw new DeviceException(DeviceFault.InvalidArgument, $"Blocks of {blockSize} bytes do not fit the region.");
        }

        lock (_control)
        {
            if (_blocks.Any(blocks => blocks.Region.SharesHostMemoryWith(region) ||
                (blocks.Region.GuestAddress < region.End && region.GuestAddress < blocks.Region.End)))
            {
                throw new DeviceException(DeviceFault.Overlap, "The region overlaps one with blocks.");
            }

            if (blockSize != 0 && _memory.Map.With(region) is not null)
            {
                _blocks.Add((region, blockSize, traits));
                return;
            }

            if (_memory.Map.Regions.Length == RegionMap.MostRegions)
            {
                throw new DeviceException(DeviceFault.LimitReached, $"A memctl device takes at most {RegionMap.MostRegions} regions.");
            }

            _memory.Publish(_memory.Map.With(region) ?? throw new DeviceException(DeviceFault.Overlap,
                $"Guest RAM [{guestAddress:x}, {region.End:x}) overlaps a region that is registered, for the guest or in this process."));
        }

        DeviceLog.Registered(_logger, guestAddress, region.End);
    }

    /// <summary>
    /// Takes guest RAM away and gives it back as it was registered. When it returns, or throws HostCallFailed, no request
    /// touches the region any more.
    /// </summary>
    /// <exception cref="DeviceException">No such region, or something could not be lifted.</exception>
    public void UnregisterMemory(ulong guestAddress, ulong length)
    {
        int errno;
        int at = _blocks.FindIndex(blocks => blocks.Region.GuestAddress == guestAddress && blocks.Region.Length == length);
        if (at >= 0)
        {
            MemoryRegion[] present = [.. _memory.Map.Regions.ToArray().Where(region => region.GuestAddress - guestAddress < length)];
            _blocks.RemoveAt(at);
            Array.ForEach(present, region => UnregisterMemory(region.GuestAddress, region.Length));
            return;
        }

        lock (_control)
        {
            MemoryRegion region = _memory.Map.FindExact(guestAddress, length) ?? throw new DeviceException(DeviceFault.NotFound,
                $"No region [{guestAddress:x}, +{length:x}) is registered.");
            _memory.Publish(_memory.Map.Without(region));
            _channels.WaitForRequests();
            errno = _attributes.Lift(region, forget: true);
        }

        DeviceLog.Unregistered(_logger, guestAddress, guestAddress + length);
        ThrowIfNotLifted(guestAddress, guestAddress + length, errno);
    }

    /// <summary>Makes blocks present.</summary>
    public void PlugMemory(ulong guestAddress, ulong length) => ChangeBlocks(guestAddress, length, true);

    /// <summary>Makes blocks absent.</summary>
    public void UnplugMemory(ulong guestAddress, ulong length) => ChangeBlocks(guestAddress, length, false);

    private readonly List<(MemoryRegion Region, ulong Size, RegionTraits Traits)> _blocks = [];

    private void ChangeBlocks(ulong guestAddress, ulong length, bool plug)
    {
        lock (_control)
        {
            ulong end = guestAddress + length;
            (MemoryRegion? region, ulong size, RegionTraits traits) = _blocks.Find(
                blocks => guestAddress >= blocks.Region.GuestAddress && end <= blocks.Region.End && guestAddress < end);
            if (region is null)
            {
                throw new DeviceException(DeviceFault.NotFound, $"No region has blocks at [{guestAddress:x}, +{length:x}).");
            }

            var all = new List<MemoryRegion>();
            for (ulong start = guestAddress; start < end; start += size)
            {
                all.Add(new MemoryRegion(start, size, region.HostAddressOf(start), traits));
            }

            if (((guestAddress | length) & (size - 1)) != 0 || all.Exists(block => _memory.Map.Find(block.GuestAddress) is not null == plug))
            {
                throw new DeviceException(DeviceFault.InvalidArgument, "Not whole blocks, or already so.");
            }

            foreach (MemoryRegion block in all)
            {
                if (plug)
                {
                    _memory.Publish(_memory.Map.With(block)!);
                }
                else
                {
                    UnregisterMemory(block.GuestAddress, size);
                }
            }
        }
    }

    /// <summary>The attribute map.</summary>
    public IReadOnlyList<AttributeExtent> Attributes() => _attributes.Save();

    /// <summary>As a reset of the virtual machine: disconnected, and all that the guest has set on its memory lifted.</summary>
    /// <exception cref="DeviceException">Something could not be lifted.</exception>
    public void Reset()
    {
        int failed = 0;
        lock (_control)
        {
            Disconnect(null);
            Volatile.Write(ref _payload, 0);
            foreach (MemoryRegion region in _memory.Map.Regions)
            {
                int errno = _attributes.Lift(region, forget: false);
                failed = failed != 0 ? failed : errno;
            }
        }

        ThrowIfNotLifted(0, ulong.MaxValue, failed);
    }

    /// <summary>Ends the device's work: when it returns no request is in progress and none will be served.</summary>
    public void Stop()
    {
        lock (_control)
        {
            Disconnect(null);
            _memory.Publish(RegionMap.Empty);
        }
    }

    /// <summary>Switches reports to the dirty log. When it returns, requests in progress have ended.</summary>
    /// <exception cref="DeviceException">The VMM gave no dirty log.</exception>
    public void SetDirtyLogging(bool enabled)
    {
        if (enabled && !_requests.HasDirtyLog)
        {
            throw new DeviceException(DeviceFault.InvalidArgument, "The VMM gave the memctl device no callback for changed memory.");
        }

        lock (_control)
        {
            _requests.DirtyLogging = enabled;
            _channels.WaitForRequests();
        }
    }

    /// <summary>Switches the refusal of DONTNEED, REMOVE and FREE. When it returns, no discard is in progress.</summary>
    public void InhibitDiscard(bool enabled)
    {
        lock (_control)
        {
            _requests.DiscardInhibited = enabled;
            _channels.WaitForRequests();
        }
    }

    /// <summary>Switches the holding of closed pages as readable, for a VMM that copies guest memory.</summary>
    /// <exception cref="DeviceException">The kernel refused for some page; the message has the errno.</exception>
    public void KeepReadable(bool enabled)
    {
        int errno;
        lock (_control)
        {
            errno = _attributes.HoldReadable(_memory.Map, enabled);
        }

        if (errno != 0)
        {
            throw new DeviceException(DeviceFault.HostCallFailed, $"A closed page could not be switched: errno {errno}.");
        }
    }

    /// <summary>The device's whole state. The vCPUs must be paused.</summary>
    public DeviceState Save()
    {
        lock (_control)
        {
            return new DeviceState(_options.Dialect.Name, _pageSize, _transport, _payload,
                [.. _channels.Made.Take(_channels.Count).Select(channel => channel.BufferAddress)], _attributes.Save());
        }
    }

    /// <summary>Puts a saved state into a new device whose memory is registered and filled. The vCPUs must not run yet.</summary>
    /// <exception cref="DeviceException">The state does not fit, or the kernel refused; the device is as before.</exception>
    public void Restore(DeviceState state)
    {
        lock (_control)
        {
            RegionMap map = _memory.Map;
            new StateCheck(_options, _pageSize, map).Check(state);
            if (_transport != TransportState.Disconnected || _attributes.Splits != 0)
            {
                throw new DeviceException(DeviceFault.InvalidState, "A state can be restored only into a device that was just created.");
            }

            int errno = _attributes.Restore(map, state.Attributes.ToArray());
            if (errno != 0)
            {
                throw new DeviceException(DeviceFault.HostCallFailed,
                    $"What the guest had set on its memory could not be set again: errno {errno}.");
            }

            foreach (ulong buffer in state.BufferAddresses)
            {
                _channels.TryAdd(buffer);
            }

            Volatile.Write(ref _payload, state.Payload);
            if (state.Transport == TransportState.Ready)
            {
                _channels.Connect();
            }

            _transport = state.Transport;
        }

        DeviceLog.Restored(_logger, state.Transport.ToString(), state.BufferAddresses.Count, state.Attributes.Count);
    }

    /// <summary>Counters and gauges, always in the same order for one device.</summary>
    public IReadOnlyList<DeviceCounter> Counters()
    {
        PerFunction requests = default;
        PerFunction errors = default;
        PerFunction bytes = default;
        lock (_control)
        {
            foreach (Channel channel in _channels.Made)
            {
                channel.AddTo(ref requests, ref errors, ref bytes);
            }
        }

        var counters = new List<DeviceCounter>();
        ReadOnlySpan<Function> functions = _options.Dialect.Functions;
        for (int code = 0; code < functions.Length; code++)
        {
            counters.Add(new DeviceCounter($"requests_{functions[code]}", requests[code]));
            counters.Add(new DeviceCounter($"errors_{functions[code]}", errors[code]));
            counters.Add(new DeviceCounter($"bytes_{functions[code]}", bytes[code]));
        }

        for (DeviceError error = DeviceError.UNKNOWN_FUNCTION; error <= DeviceError.BUFFER_UNREADABLE; error++)
        {
            counters.Add(new DeviceCounter($"refused_{error}", _requests.Refusals[error]));
        }

        counters.Add(new DeviceCounter("ignored_accesses", Volatile.Read(ref _ignoredAccesses)));
        counters.Add(new DeviceCounter("unanswered_requests", Volatile.Read(ref _unansweredRequests)));
        counters.Add(new DeviceCounter("refused_commands", Volatile.Read(ref _refusedCommands)));
        counters.Add(new DeviceCounter("suppressed_log_records", _logLimit.Suppressed));
        counters.Add(new DeviceCounter("channels", (ulong)_channels.Count));
        counters.Add(new DeviceCounter("channels_limit", (ulong)_channels.Limit));
        counters.Add(new DeviceCounter("locked_bytes", _attributes.LockedBytes));
        counters.Add(new DeviceCounter("locked_bytes_limit", _attributes.MaxLocked));
        counters.Add(new DeviceCounter("splits", (ulong)_attributes.Splits));
        counters.Add(new DeviceCounter("splits_limit", (ulong)_attributes.MaxSplits));
        counters.Add(new DeviceCounter("discard_inhibited", _requests.DiscardInhibited ? 1u : 0u));
        return counters;
    }

    private void ThrowIfNotLifted(ulong start, ulong end, int errno)
    {
        if (errno != 0)
        {
            DeviceLog.NotLifted(_logger, start, end, errno);
            throw new DeviceException(DeviceFault.HostCallFailed,
                $"Guest RAM [{start:x}, {end:x}) could not be given back as it was registered: errno {errno}.");
        }
    }
}
