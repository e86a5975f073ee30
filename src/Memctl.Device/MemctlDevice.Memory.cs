using System.Numerics;
using Memctl.Device.Attributes;
using Memctl.Device.Logging;
using Memctl.Device.Memory;

namespace Memctl.Device;

/// <content>Guest RAM: what the VMM adds and takes away while requests run.</content>
public sealed partial class MemctlDevice
{
    /// <summary>Adds guest RAM. Requests that start after the return see it.</summary>
    /// <param name="guestAddress">Guest-physical address, whole pages.</param>
    /// <param name="length">Bytes, whole pages, not 0.</param>
    /// <param name="hostAddress">Where it is mapped in this process, readable and writable.</param>
    /// <param name="traits">How the VMM mapped it.</param>
    /// <param name="blockSize">
    /// 0 if all of it is guest RAM from now on. Else a power of two, no less than a page, that divides address and length: memory
    /// is absent until <see cref="PlugMemory"/>.
    /// </param>
    /// <exception cref="DeviceException">
    /// It overlaps what is there, is not made of whole pages or blocks, or there are too many regions.
    /// </exception>
    public void RegisterMemory(ulong guestAddress, ulong length, nuint hostAddress, RegionTraits traits, ulong blockSize = 0)
    {
        if (length == 0 || ((guestAddress | length | hostAddress) & (_pageSize - 1)) != 0 ||
            guestAddress + length <= guestAddress || hostAddress + (nuint)length <= hostAddress)
        {
            throw new DeviceException(DeviceFault.InvalidArgument,
                $"Guest RAM [{guestAddress:x}, +{length:x}) is empty, wraps, or is not made of whole pages of {_pageSize} bytes.");
        }

        if (blockSize != 0)
        {
            CheckBlocks(guestAddress, length, blockSize);
        }

        var region = new MemoryRegion(guestAddress, length, hostAddress, traits, blockSize);
        lock (_control)
        {
            if (_memory.Map.Regions.Length == RegionMap.MaxRegions)
            {
                throw new DeviceException(DeviceFault.LimitReached,
                    $"A memctl device takes at most {RegionMap.MaxRegions} regions; memory that comes and goes in blocks is one region.");
            }

            _memory.Publish(_memory.Map.With(region) ?? throw new DeviceException(DeviceFault.Overlap,
                $"Guest RAM [{guestAddress:x}, {region.End:x}) overlaps a region that is registered, for the guest or in this process."));
            _channels.LocateBuffers(_memory, guestAddress, region.End);
        }

        DeviceLog.Registered(_logger, guestAddress, region.End);
    }

    /// <summary>
    /// Takes guest RAM away and makes it as registered. When it returns, or throws HostCallFailed, no request touches the region
    /// any more.
    /// </summary>
    /// <exception cref="DeviceException">
    /// No such region, no room to split an extent, or something could not be reverted.
    /// </exception>
    public void UnregisterMemory(ulong guestAddress, ulong length)
    {
        int errno;
        lock (_control)
        {
            RegionMap map = _memory.Map;
            MemoryRegion region = map.FindExact(guestAddress, length) ?? throw new DeviceException(DeviceFault.NotFound,
                $"No region [{guestAddress:x}, +{length:x}) is registered.");
            RequireRoomToRevert(guestAddress, region.End);
            _memory.Publish(map.Without(region));
            errno = TakeAway(map, guestAddress, region.End);
        }

        DeviceLog.Unregistered(_logger, guestAddress, guestAddress + length);
        ThrowIfNotReverted(guestAddress, guestAddress + length, errno);
    }

    /// <summary>Makes absent blocks of one region present. Requests that start after the return see them.</summary>
    /// <exception cref="DeviceException">
    /// They are not whole blocks of one region, or not all of them are absent; nothing has changed.
    /// </exception>
    public void PlugMemory(ulong guestAddress, ulong length)
    {
        lock (_control)
        {
            SetPresent(true, guestAddress, length);
            _channels.LocateBuffers(_memory, guestAddress, guestAddress + length);
        }
    }

    /// <summary>
    /// Makes present blocks of one region absent, and as registered. When it returns, or throws HostCallFailed, no request
    /// touches them any more.
    /// </summary>
    /// <exception cref="DeviceException">
    /// They are not whole blocks of one region, not all of them are present, or there is no room to split an extent: then nothing
    /// has changed. HostCallFailed: something could not be reverted.
    /// </exception>
    public void UnplugMemory(ulong guestAddress, ulong length)
    {
        ulong end = guestAddress + length;
        int errno;
        lock (_control)
        {
            RequireRoomToRevert(guestAddress, end);
            SetPresent(false, guestAddress, length);
            errno = TakeAway(_memory.Map, guestAddress, end);
        }

        ThrowIfNotReverted(guestAddress, end, errno);
    }

    /// <summary>What the guest has set on its memory, for monitoring: sorted, without what is as registered.</summary>
    public IReadOnlyList<AttributeExtent> Attributes() => _attributes.Save();

    /// <summary>Guest RAM that is present, for monitoring: see <see cref="RegionMap.Present"/>.</summary>
    public IReadOnlyList<MemorySegment> PresentMemory(int limit) => _memory.Map.Present(limit);

    private void CheckBlocks(ulong guestAddress, ulong length, ulong blockSize)
    {
        if (!BitOperations.IsPow2(blockSize) || blockSize < _pageSize || ((guestAddress | length) & (blockSize - 1)) != 0)
        {
            throw new DeviceException(DeviceFault.InvalidArgument,
                $"Guest RAM [{guestAddress:x}, +{length:x}) is not made of whole blocks of {blockSize:x}, a power of two and at least a page.");
        }

        if (length / blockSize > (ulong)MemoryRegion.MaxBlocks)
        {
            throw new DeviceException(DeviceFault.LimitReached,
                $"Guest RAM [{guestAddress:x}, +{length:x}) has {length / blockSize} blocks; a region has at most {MemoryRegion.MaxBlocks}.");
        }
    }

    private void SetPresent(bool present, ulong guestAddress, ulong length)
    {
        ulong end = guestAddress + length;
        if (_memory.Map.Find(guestAddress) is not { Blocks: > 0 } region || end < guestAddress || end > region.End)
        {
            throw new DeviceException(DeviceFault.NotFound, $"No region with blocks contains [{guestAddress:x}, +{length:x}).");
        }

        if (length == 0 || !region.TrySetPresent(present, guestAddress, end))
        {
            throw new DeviceException(DeviceFault.InvalidArgument,
                $"[{guestAddress:x}, +{length:x}) is not whole {(present ? "absent" : "present")} blocks of one region.");
        }
    }

    /// <summary>Reverts a range that was unpublished, and waits until no request touches it.</summary>
    private int TakeAway(RegionMap map, ulong start, ulong end)
    {
        _channels.LocateBuffers(_memory, start, end);
        int errno = _attributes.Revert(map, start, end, forget: true);
        // Only now: a change that was waited for had its answer to write yet.
        _channels.Synchronize();
        return errno;
    }

    private void RequireRoomToRevert(ulong start, ulong end)
    {
        if (start < end && !_attributes.HasRoomToRevert(start, end))
        {
            throw new DeviceException(DeviceFault.LimitReached,
                $"To take [{start:x}, {end:x}) out of what the guest has set would split more mappings than there is room for.");
        }
    }

    private void ThrowIfNotReverted(ulong start, ulong end, int errno)
    {
        if (errno != 0)
        {
            DeviceLog.NotReverted(_logger, start, end, errno);
            throw new DeviceException(DeviceFault.HostCallFailed,
                $"Guest RAM [{start:x}, {end:x}) could not be made as it was registered: errno {errno}.");
        }
    }
}
