using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Memory;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The exports that define guest RAM. native/include/memctl_plugin.h is their contract.</summary>
internal static unsafe class MemoryExports
{
    private const uint KnownRegionFlags = MemctlAbi.MEMCTL_REGION_MERGEABLE | MemctlAbi.MEMCTL_REGION_DONTDUMP;

    [UnmanagedCallersOnly(EntryPoint = "register_memory", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Register(memctl_device* handle, memctl_region* region)
    {
        if (region == null || ((nuint)region & 7) != 0)
        {
            return AbiError.InvalidArgument("register_memory takes an aligned region structure.");
        }

        if (region->size < sizeof(memctl_region))
        {
            return AbiError.InvalidSize(nameof(memctl_region), region->size, sizeof(memctl_region));
        }

        if ((region->flags & ~KnownRegionFlags) != 0 || region->host_address == null)
        {
            return AbiError.InvalidArgument("memctl_region has an unknown flag or no host address.");
        }

        return DeviceCall.Run(handle, *region, static (device, region) => device.RegisterMemory(
            region.guest_address, region.length, (nuint)region.host_address, TraitsOf(region.flags), region.block_size));
    }

    [UnmanagedCallersOnly(EntryPoint = "unregister_memory", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Unregister(memctl_device* handle, ulong guestAddress, ulong length) => DeviceCall.Run(
        handle, (guestAddress, length), static (device, range) => device.UnregisterMemory(range.guestAddress, range.length));

    [UnmanagedCallersOnly(EntryPoint = "plug_memory", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Plug(memctl_device* handle, ulong guestAddress, ulong length) => DeviceCall.Run(
        handle, (guestAddress, length), static (device, range) => device.PlugMemory(range.guestAddress, range.length));

    [UnmanagedCallersOnly(EntryPoint = "unplug_memory", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Unplug(memctl_device* handle, ulong guestAddress, ulong length) => DeviceCall.Run(
        handle, (guestAddress, length), static (device, range) => device.UnplugMemory(range.guestAddress, range.length));

    [UnmanagedCallersOnly(EntryPoint = "resolve_fault", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint ResolveFault(memctl_device* handle, ulong guestAddress) => DeviceCall.Run(
        handle, guestAddress, static (device, address) =>
            device.ResolveFault(address == MemctlAbi.MEMCTL_ADDRESS_UNKNOWN ? null : address));

    private static RegionTraits TraitsOf(uint flags) =>
        ((flags & MemctlAbi.MEMCTL_REGION_MERGEABLE) != 0 ? RegionTraits.Mergeable : RegionTraits.None) |
        ((flags & MemctlAbi.MEMCTL_REGION_DONTDUMP) != 0 ? RegionTraits.DontDump : RegionTraits.None);
}
