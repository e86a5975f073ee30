using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    // Contains no reference, so that it is a variable of the library's and no object: it lies beside those of the runtime that a
    // request reads (sections.ld).
    private static Slots _slots;

    /// <summary>Adds a device; returns its handle, or null if every slot is taken.</summary>
    internal static memctl_device* Add(MemctlDevice device, ILoggerFactory logging)
    {
        lock (Owners.Lock)
        {
            for (int number = 0; number < MaxDevices; number++)
            {
                ref Slot slot = ref _slots[number];
                if (slot.Handle == 0)
                {
                    if (!slot.Device.IsAllocated)
                    {
                        slot.Device = GCHandle.Alloc(null);
                    }

                    slot.Device.Target = device;
                    Owners.Logging[number] = logging;
                    var handle = (nuint)((++Owners.Created << SlotBits) | (uint)number);
                    Volatile.Write(ref slot.Handle, handle);
                    return (memctl_device*)handle;
                }
            }

            return null;
        }
    }

    /// <summary>Finds the device of a handle; false if there is none. May be called by any thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryFind(memctl_device* handle, [NotNullWhen(true)] out MemctlDevice? device)
    {
        int number = SlotOf(handle);
        if (handle == null || number >= MaxDevices || Volatile.Read(ref _slots[number].Handle) != (nuint)handle)
        {
            device = null;
            return false;
        }

        // Add stores nothing else there. The slot may just have become another device's: then its handle is no longer this one.
        device = Unsafe.As<MemctlDevice?>(_slots[number].Device.Target);
        return device is not null && Volatile.Read(ref _slots[number].Handle) == (nuint)handle;
    }

    /// <summary>Invalidates a handle. One caller gets its device; any other, and one with an invalid handle, gets null.</summary>
    internal static (MemctlDevice Device, ILoggerFactory Logging)? Remove(memctl_device* handle)
    {
        lock (Owners.Lock)
        {
            if (!TryFind(handle, out MemctlDevice? device))
            {
                return null;
            }

            int number = SlotOf(handle);
            Volatile.Write(ref _slots[number].Handle, 0);
            _slots[number].Device.Target = null;
            ILoggerFactory logging = Owners.Logging[number]!;
            Owners.Logging[number] = null;
            return (device, logging);
        }
    }

    private static int SlotOf(memctl_device* handle) => (int)((nuint)handle & ((1 << SlotBits) - 1));

    [InlineArray(MaxDevices)]
    private struct Slots
    {
        private Slot _first;
    }

    private struct Slot
    {
        /// <summary>0 while the slot is free.</summary>
        internal nuint Handle;

        /// <summary>Made for the first device and kept, so that whoever comes too late finds another device or none.</summary>
        internal GCHandle Device;
    }

    /// <summary>
    /// What only creation and destruction use. Apart, as a class without initialisers is not asked on each access whether they have
    /// run.
    /// </summary>
    private static class Owners
    {
        internal static readonly Lock Lock = new();

        /// <summary>By slot: delivers a device's records; to be disposed of when the device has stopped.</summary>
        internal static readonly ILoggerFactory?[] Logging = new ILoggerFactory?[MaxDevices];

        internal static ulong Created;
    }
}
