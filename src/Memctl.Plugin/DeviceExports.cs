using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device;
using Memctl.Device.Options;
using Memctl.Device.State;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>
/// The exports of a device's life: create, destroy, reset, save, restore. native/include/memctl_plugin.h is their contract.
/// </summary>
internal static unsafe class DeviceExports
{
    [UnmanagedCallersOnly(EntryPoint = "device_create", CallConvs = [typeof(CallConvCdecl)])]
    [SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status.")]
    internal static uint Create(memctl_host* host, byte* options, nuint optionsLength, memctl_device** handle)
    {
        if (host == null || ((nuint)host & 7) != 0 || handle == null)
        {
            return AbiError.InvalidArgument("device_create takes an aligned host structure and a place for the handle.");
        }

        if (host->size < sizeof(memctl_host))
        {
            return AbiError.InvalidSize(nameof(memctl_host), host->size, sizeof(memctl_host));
        }

        uint major = host->abi_version >> 16;
        uint minor = host->abi_version & 0xffff;
        if (major != MemctlAbi.MEMCTL_ABI_VERSION_MAJOR || minor > MemctlAbi.MEMCTL_ABI_VERSION_MINOR)
        {
            return AbiError.Report(MemctlAbi.MEMCTL_UNSUPPORTED_VERSION,
                $"The caller was built for ABI version {major}.{minor}; this memctl plugin offers " +
                $"{MemctlAbi.MEMCTL_ABI_VERSION_MAJOR}.{MemctlAbi.MEMCTL_ABI_VERSION_MINOR}.");
        }

        if ((host->copy_from_guest == null) != (host->copy_to_guest == null) || host->reserved != 0 ||
            host->log_level > MemctlAbi.MEMCTL_LOG_TRACE)
        {
            return AbiError.InvalidArgument(
                "memctl_host has one copy callback without the other, an unknown log level, or a reserved field that is not 0.");
        }

        try
        {
            memctl_device* created = Create(*host, OptionParser.Parse(OptionText.Decode(options, optionsLength)));
            if (created == null)
            {
                return AbiError.Report(
                    MemctlAbi.MEMCTL_LIMIT_REACHED, $"A process has at most {DeviceHandles.MaxDevices} memctl devices.");
            }

            *handle = created;
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_destroy", CallConvs = [typeof(CallConvCdecl)])]
    [SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status.")]
    internal static uint Destroy(memctl_device* handle)
    {
        try
        {
            if (DeviceHandles.Remove(handle) is not { } open)
            {
                return AbiError.InvalidHandle();
            }

            open.Device.Stop();
            open.Logging.Dispose();
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_reset", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Reset(memctl_device* handle) => DeviceCall.Run(handle, 0, static (device, _) => device.Reset());

    [UnmanagedCallersOnly(EntryPoint = "device_save", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Save(memctl_device* handle, byte* buffer, nuint capacity, nuint* length)
    {
        if (length == null || (buffer == null && capacity != 0))
        {
            return AbiError.InvalidArgument("device_save takes a buffer and a place for the length.");
        }

        // The caller owns the buffer, of this capacity, until the return.
        var output = new Output<byte>(buffer, capacity, length);
        return DeviceCall.Run(
            handle, output, static (device, output) => output.Store(DeviceStateCodec.Encode(device.Save()), "bytes of state"));
    }

    [UnmanagedCallersOnly(EntryPoint = "device_restore", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Restore(memctl_device* handle, byte* state, nuint length)
    {
        if (state == null || length > int.MaxValue)
        {
            return AbiError.InvalidArgument("device_restore takes a saved state of less than 2 GiB.");
        }

        // The caller owns the state until the return; decoding copies what it keeps.
        return DeviceCall.Run(handle, new ReadOnlySpan<byte>(state, (int)length), static (device, bytes) =>
        {
            device.Restore(DeviceStateCodec.Decode(bytes));
            return MemctlAbi.MEMCTL_OK;
        });
    }

    private static memctl_device* Create(memctl_host offer, DeviceOptions options)
    {
        var provider = new HostLoggerProvider(offer);
        var logging = new LoggerFactory([], new LoggerFilterOptions { MinLevel = provider.MinimumLevel });

        // Not by the constructor: a factory disposes only of providers that were added so.
        logging.AddProvider(provider);
        ILogger logger = logging.CreateLogger("memctl");

        // What every request reads is made last, and so lies side by side.
        var host = new Host(offer);
        var device = new MemctlDevice(
            options, (ulong)Environment.SystemPageSize, host, host, host.HasDirtyLog ? host : null, logger, TimeProvider.System);
        memctl_device* handle = DeviceHandles.Add(device, logging);
        if (handle == null)
        {
            logging.Dispose();
        }

        return handle;
    }
}
