using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Memctl.Device;
using Memctl.Device.Attributes;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>
/// The exports for a VMM's monitoring: counters and the attribute map. native/include/memctl_plugin.h is their contract.
/// </summary>
internal static unsafe class MonitoringExports
{
    private const int CounterNameBytes = 40;

    [UnmanagedCallersOnly(EntryPoint = "device_statistics", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Statistics(memctl_device* handle, memctl_counter* counters, nuint capacity, nuint* count)
    {
        if (count == null || (counters == null && capacity != 0))
        {
            return AbiError.InvalidArgument("device_statistics takes an array of counters and a place for their number.");
        }

        var output = new Output<memctl_counter>(counters, capacity, count);
        return DeviceCall.Run(handle, output, static (device, output) =>
        {
            var sink = new CounterSink(output);
            ReadCounters(device, ref sink);
            return output.Complete(sink.Count, "counters");
        });
    }

    [UnmanagedCallersOnly(EntryPoint = "device_attributes", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Attributes(memctl_device* handle, memctl_extent* extents, nuint capacity, nuint* count)
    {
        if (count == null || (extents == null && capacity != 0))
        {
            return AbiError.InvalidArgument("device_attributes takes an array of extents and a place for their number.");
        }

        var output = new Output<memctl_extent>(extents, capacity, count);
        return DeviceCall.Run(
            handle, output, static (device, output) => output.Store([.. device.Attributes().Select(ToAbi)], "extents"));
    }

    [UnmanagedCallersOnly(EntryPoint = "device_report", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint Report(memctl_device* handle, byte* buffer, nuint capacity, nuint* length)
    {
        if (length == null || (buffer == null && capacity != 0))
        {
            return AbiError.InvalidArgument("device_report takes a buffer and a place for the length.");
        }

        // The caller owns the buffer, of this capacity, until the return.
        var output = new OutputStream(buffer, capacity, length);
        return DeviceCall.Run(handle, output, static (device, output) =>
        {
            DeviceReport.Write(device, output);
            return output.Complete("bytes of report");
        });
    }

    /// <summary>The device's counters, and those of the process. Allocates nothing.</summary>
    internal static void ReadCounters<TSink>(MemctlDevice device, ref TSink sink)
        where TSink : ICounterSink, allows ref struct
    {
        device.ReadCounters(ref sink);
        sink.Add("managed_allocated_bytes", (ulong)GC.GetTotalAllocatedBytes());
        sink.Add("managed_collections", (ulong)GC.CollectionCount(0));
    }

    private static memctl_extent ToAbi(AttributeExtent extent)
    {
        PageAttributes attributes = extent.Attributes;
        return new memctl_extent
        {
            guest_address = extent.Start,
            length = extent.End - extent.Start,

            // The device's values are those of PROT_READ and PROT_WRITE.
            protection = (uint)attributes.Protection,
            flags = (attributes.Locked ? MemctlAbi.MEMCTL_EXTENT_LOCKED : 0) |
                (attributes.DontDump ? MemctlAbi.MEMCTL_EXTENT_DONTDUMP : 0) |
                (attributes.Merging == Merging.Mergeable ? MemctlAbi.MEMCTL_EXTENT_MERGEABLE : 0) |
                (attributes.Merging == Merging.Unmergeable ? MemctlAbi.MEMCTL_EXTENT_UNMERGEABLE : 0),
            name = attributes.Name,
        };
    }

    /// <summary>Stores counters as they come.</summary>
    private ref struct CounterSink(Output<memctl_counter> output) : ICounterSink
    {
        private readonly Output<memctl_counter> _output = output;

        internal nuint Count { get; private set; }

        public void Add(string name, ulong value)
        {
            memctl_counter counter = default;
            counter.value = value;

            // One byte stays zero, the terminator. A longer name would not fit, and is a defect that every test of counters meets.
            Encoding.ASCII.GetBytes(name, new Span<byte>(counter.name, CounterNameBytes - 1));
            _output.Store(Count++, counter);
        }
    }
}
