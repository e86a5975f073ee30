using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;
using Memctl.Device;
using Memctl.Device.State;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The exports for switches, saved states and counters. What each promises stands in native/include/memctl_plugin.h.</summary>
[SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status and a message.")]
internal static unsafe class ControlExports
{
    private const int CounterNameBytes = 40;

    [UnmanagedCallersOnly(EntryPoint = "set_dirty_logging")]
    internal static uint SetDirtyLogging(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.SetDirtyLogging(on));

    [UnmanagedCallersOnly(EntryPoint = "inhibit_discard")]
    internal static uint InhibitDiscard(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.InhibitDiscard(on));

    [UnmanagedCallersOnly(EntryPoint = "hold_readable")]
    internal static uint HoldReadable(memctl_device* handle, uint enabled) =>
        Switch(handle, enabled, static (device, on) => device.HoldReadable(on));

    [UnmanagedCallersOnly(EntryPoint = "device_save")]
    internal static uint Save(memctl_device* handle, byte* buffer, nuint capacity, nuint* length)
    {
        if (length == null || (buffer == null && capacity != 0))
        {
            return Failure.InvalidArgument("device_save takes a buffer and a place for the length.");
        }

        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            byte[] state = DeviceStateCodec.Encode(device.Save());
            *length = (nuint)state.Length;
            if (capacity < (nuint)state.Length)
            {
                return Failure.Of(MemctlAbi.MEMCTL_BUFFER_TOO_SMALL, $"The saved state needs {state.Length} bytes.");
            }

            // The caller owns the buffer, of at least this capacity, until the return.
            state.CopyTo(new Span<byte>(buffer, state.Length));
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_restore")]
    internal static uint Restore(memctl_device* handle, byte* state, nuint length)
    {
        if (state == null || length > int.MaxValue)
        {
            return Failure.InvalidArgument("device_restore takes a saved state of less than 2 GiB.");
        }

        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            // The caller owns the state until the return; decoding copies what it keeps.
            device.Restore(DeviceStateCodec.Decode(new ReadOnlySpan<byte>(state, (int)length)));
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "device_statistics")]
    internal static uint Statistics(memctl_device* handle, memctl_counter* counters, nuint capacity, nuint* count)
    {
        if (count == null || (counters == null && capacity != 0))
        {
            return Failure.InvalidArgument("device_statistics takes room for counters and a place for their number.");
        }

        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            List<DeviceCounter> all =
            [
                .. device.Counters(),
                new DeviceCounter("managed_allocated_bytes", (ulong)GC.GetTotalAllocatedBytes()),
                new DeviceCounter("managed_collections", (ulong)GC.CollectionCount(0)),
            ];
            *count = (nuint)all.Count;
            for (int index = 0; index < all.Count && (nuint)index < capacity; index++)
            {
                Write(all[index], counters + index);
            }

            return capacity < (nuint)all.Count
                ? Failure.Of(MemctlAbi.MEMCTL_BUFFER_TOO_SMALL, $"There are {all.Count} counters.")
                : MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }

    private static void Write(DeviceCounter counter, memctl_counter* to)
    {
        // The caller owns this element until the return of the export.
        var name = new Span<byte>(to->name, CounterNameBytes);
        name.Clear();
        Encoding.ASCII.GetBytes(counter.Name, name[..^1]);
        to->value = counter.Value;
    }

    private static uint Switch(memctl_device* handle, uint enabled, Action<MemctlDevice, bool> apply)
    {
        if (enabled > 1)
        {
            return Failure.InvalidArgument("A switch is 0 or 1.");
        }

        try
        {
            if (DeviceHandles.Find(handle) is not { } device)
            {
                return Failure.InvalidHandle();
            }

            apply(device, enabled == 1);
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return Failure.Of(exception);
        }
    }
}
