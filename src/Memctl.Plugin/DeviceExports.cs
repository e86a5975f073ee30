using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;
using Memctl.Device;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>The exports that make, end and feed a device. What each promises stands in native/include/memctl_plugin.h.</summary>
[SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status and a message.")]
internal static unsafe class DeviceExports
{
    private const nuint MostOptionBytes = 4096;
    private const uint KnownRegionFlags = MemctlAbi.MEMCTL_REGION_MERGEABLE | MemctlAbi.MEMCTL_REGION_DONTDUMP;

    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    [UnmanagedCallersOnly(EntryPoint = "abi_version")]
    internal static ulong AbiVersion()
    {
        OpenWhatTheRuntimeNeeds();
        return ((ulong)MemctlAbi.MEMCTL_ABI_MAGIC << 32) | MemctlAbi.MEMCTL_ABI_VERSION;
    }

    /// <summary>
    /// The runtime's source of random numbers, which formatting a log record draws on, opens /dev/urandom when first used. A sandbox may
    /// forbid that later; this is called before there is one.
    /// </summary>
    private static void OpenWhatTheRuntimeNeeds() => _ = Random.Shared.Next();

    [UnmanagedCallersOnly(EntryPoint = "last_error")]
    internal static nuint GetLastError(byte* buffer, nuint capacity) =>
        (nuint)LastError.CopyTo(buffer == null ? [] : new Span<byte>(buffer, (int)Math.Min(capacity, int.MaxValue)));

    [UnmanagedCallersOnly(EntryPoint = "device_create")]
    internal static uint Create(memctl_host* host, byte* options, nuint optionsLength, memctl_device** handle)
    {
        if (host == null || ((nuint)host & 7) != 0 || handle == null || (options == null && optionsLength != 0) ||
            optionsLength > MostOptionBytes)
        {
            return Failure.InvalidArgument(
                $"device_create takes an aligned host structure, a place for the handle, and options of up to {MostOptionBytes} bytes.");
        }

        if (host->size < sizeof(memctl_host))
        {
            return Failure.Of(MemctlAbi.MEMCTL_INVALID_SIZE, $"memctl_host has {host->size} bytes; version 1.0 has {sizeof(memctl_host)}.");
        }

        uint major = host->abi_version >> 16;
        uint minor = host->abi_version & 0xffff;
        if (major != MemctlAbi.MEMCTL_ABI_VERSION_MAJOR || minor > MemctlAbi.MEMCTL_ABI_VERSION_MINOR)
        {
            return Failure.Of(MemctlAbi.MEMCTL_UNSUPPORTED_VERSION,
                $"The caller was built for ABI version {major}.{minor}; this memctl plugin offers " +
                $"{MemctlAbi.MEMCTL_ABI_VERSION_MAJOR}.{MemctlAbi.MEMCTL_ABI_VERSION_MINOR}.");
        }

        if ((host->copy_from_guest == null) != (host->copy_to_guest == null) || host->reserved != 0 ||
            host->log_level > MemctlAbi.MEMCTL_LOG_TRACE)
        {
            return Failure.InvalidArgument(
                "memctl_host has one copy callback without the other, an unknown log level, or a reserved field that is not zero.");
        }

        try
        {
            // The caller owns the options until the return; the host structure is copied.
            DeviceOptions parsed = OptionParser.Parse(_strictUtf8.GetString(new ReadOnlySpan<byte>(options, (int)optionsLength)));
            memctl_device* made = Open(*host, parsed);
            if (made == null)
            {
                return Failure.Of(MemctlAbi.MEMCTL_LIMIT_REACHED, $"A process has at most {DeviceHandles.MostDevices} memctl devices.");
            }

            *handle = made;
            return MemctlAbi.MEMCTL_OK;
        }
        catch (DecoderFallbackException)
        {
            return Failure.InvalidArgument("The options are not UTF-8.");
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_destroy")]
    internal static uint Destroy(memctl_device* handle)
    {
        try
        {
            if (DeviceHandles.Remove(handle) is not { } open)
            {
                return Failure.InvalidHandle();
            }

            open.Device.Stop();
            open.Logging.Dispose();
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_reset")]
    internal static uint Reset(memctl_device* handle)
    {
        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            device.Reset();
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "register_memory")]
    internal static uint RegisterMemory(memctl_device* handle, memctl_region* region)
    {
        if (region == null || ((nuint)region & 7) != 0)
        {
            return Failure.InvalidArgument("register_memory takes an aligned region structure.");
        }

        if (region->size < sizeof(memctl_region))
        {
            return Failure.Of(MemctlAbi.MEMCTL_INVALID_SIZE, $"memctl_region has {region->size} bytes; version 1.0 has {sizeof(memctl_region)}.");
        }

        if ((region->flags & ~KnownRegionFlags) != 0 || region->host_address == null)
        {
            return Failure.InvalidArgument("memctl_region has an unknown flag or no host address.");
        }

        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            device.RegisterMemory(region->guest_address, region->length, (nuint)region->host_address, TraitsOf(region->flags));
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "unregister_memory")]
    internal static uint UnregisterMemory(memctl_device* handle, ulong guestAddress, ulong length)
    {
        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            device.UnregisterMemory(guestAddress, length);
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    private static RegionTraits TraitsOf(uint flags) =>
        ((flags & MemctlAbi.MEMCTL_REGION_MERGEABLE) != 0 ? RegionTraits.Mergeable : RegionTraits.None) |
        ((flags & MemctlAbi.MEMCTL_REGION_DONTDUMP) != 0 ? RegionTraits.DontDump : RegionTraits.None);

    private static memctl_device* Open(memctl_host host, DeviceOptions options)
    {
        var seams = new Host(host);
        var provider = new HostLoggerProvider(host);
        var logging = new LoggerFactory([], new LoggerFilterOptions { MinLevel = provider.Least });

        // Not by the constructor: a factory disposes only of providers that were added so.
        logging.AddProvider(provider);
        var device = new MemctlDevice(
            options, (ulong)Environment.SystemPageSize, new LinuxHostCalls(), seams, seams.HasDirtyLog ? seams : null,
            logging.CreateLogger("memctl"), TimeProvider.System);
        memctl_device* handle = DeviceHandles.Add(device, logging);
        if (handle == null)
        {
            logging.Dispose();
        }

        return handle;
    }
}
