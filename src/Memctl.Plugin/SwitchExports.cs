using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The exports that switch something of a device on and off. native/include/memctl_plugin.h is their contract.</summary>
internal static unsafe class SwitchExports
{
    [UnmanagedCallersOnly(EntryPoint = "set_dirty_logging", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint SetDirtyLogging(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.SetDirtyLogging(on));

    [UnmanagedCallersOnly(EntryPoint = "inhibit_discard", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint InhibitDiscard(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.InhibitDiscard(on));

    [UnmanagedCallersOnly(EntryPoint = "keep_readable", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint KeepReadable(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.KeepReadable(on));

    [UnmanagedCallersOnly(EntryPoint = "keep_accessible", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint KeepAccessible(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.KeepAccessible(on));

    private static uint Switch(memctl_device* handle, uint enabled, Action<MemctlDevice, bool> apply) =>
        enabled > 1 ? AbiError.InvalidArgument("A switch is 0 or 1.") : DeviceCall.Run(handle, enabled == 1, apply);
}
