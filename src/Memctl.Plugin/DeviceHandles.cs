using System.Runtime.CompilerServices;
using Memctl.Device;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>
/// The devices of this process. A handle is a slot's number and the count of devices created so far, never an address: the
/// library looks it up and compares it, and dereferences nothing that a caller passes.
/// </summary>
internal static unsafe class DeviceHandles
{
    /// <summary>Maximum number of devices in one process; a VMM has one for each virtual machine, and runs one.</summary>
    internal const int MaxDevices = 8;

    private const int SlotBits = 8;

    private static Slots _slots;
    private static ulong _created;

    /// <summary>Adds a device; returns its handle, or null if every slot is taken.</summary>
    internal static memctl_device* Add(MemctlDevice device, ILoggerFactory logging)
    {
        lock (Gate.Lock)
        {
            int slot = ((ReadOnlySpan<OpenDevice?>)_slots).IndexOf((OpenDevice?)null);
            if (slot < 0)
            {
                return null;
            }

            var handle = (nuint)((++_created << SlotBits) | (uint)slot);
            Volatile.Write(ref _slots[slot], new OpenDevice(handle, device, logging));
            return (memctl_device*)handle;
        }
    }

    /// <summary>The device of a handle, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static MemctlDevice? Find(memctl_device* handle) => FindOpen(handle)?.Device;

    /// <summary>Invalidates a handle. One caller gets its device; any other, and one with an invalid handle, gets null.</summary>
    internal static OpenDevice? Remove(memctl_device* handle)
    {
        lock (Gate.Lock)
        {
            OpenDevice? open = FindOpen(handle);
            if (open is not null)
            {
                Volatile.Write(ref _slots[SlotOf(handle)], null);
            }

            return open;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static OpenDevice? FindOpen(memctl_device* handle)
    {
        int slot = SlotOf(handle);
        if (slot >= MaxDevices)
        {
            return null;
        }

        OpenDevice? open = Volatile.Read(ref _slots[slot]);
        return open is not null && open.Handle == (nuint)handle ? open : null;
    }

    private static int SlotOf(memctl_device* handle) => (int)((nuint)handle & ((1 << SlotBits) - 1));

    /// <summary>In the class's own static data: a request reads no array beside it.</summary>
    [InlineArray(MaxDevices)]
    private struct Slots
    {
        private OpenDevice? _first;
    }

    /// <summary>Apart, as a class without initialisers is not asked on each access whether they have run.</summary>
    private static class Gate
    {
        internal static readonly Lock Lock = new();
    }
}

/// <summary>A device that has a handle.</summary>
/// <param name="Handle">The handle's value.</param>
/// <param name="Device">The device.</param>
/// <param name="Logging">Delivers its records; to be disposed of when the device has stopped.</param>
internal sealed record OpenDevice(nuint Handle, MemctlDevice Device, ILoggerFactory Logging);
