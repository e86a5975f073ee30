using System.Buffers;
using System.Text.Json;
using Memctl.Device;
using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.Memory;

namespace Memctl.Plugin;

/// <summary>Writes what monitoring wants to know of a device as JSON (monitoring, "The device's report").</summary>
internal static class DeviceReport
{
    /// <summary>The layout of the report. It changes when a field changes its meaning or goes; new fields leave it.</summary>
    private const int Version = 1;

    /// <summary>
    /// Limit on segments of guest RAM: one with every second block absent could have millions. The attribute map has a limit of
    /// its own, the budget of splits.
    /// </summary>
    private const int MaxSegments = 16384;

    /// <summary>Writes the report. Takes the lock of the attribute map for a copy of it, no other.</summary>
    internal static void Write(MemctlDevice device, IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteNumber("version"u8, Version);
        json.WriteNumber("page_size"u8, Environment.SystemPageSize);
        json.WriteStartObject("statistics"u8);
        var statistics = new JsonSink(json);
        MonitoringExports.ReadCounters(device, ref statistics);
        json.WriteEndObject();
        WriteMemory(json, device.PresentMemory(MaxSegments + 1));
        json.WriteStartArray("attributes"u8);
        foreach (AttributeExtent extent in device.Attributes())
        {
            Write(json, extent);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteMemory(Utf8JsonWriter json, IReadOnlyList<MemorySegment> segments)
    {
        json.WriteBoolean("memory_complete"u8, segments.Count <= MaxSegments);
        json.WriteStartArray("memory"u8);
        foreach (MemorySegment segment in segments.Take(MaxSegments))
        {
            json.WriteStartObject();
            json.WriteNumber("guest_address"u8, segment.GuestAddress);
            json.WriteNumber("length"u8, segment.Length);
            json.WriteNumber("host_address"u8, segment.HostAddress);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Writes what the guest has set; what is as registered is left out.</summary>
    private static void Write(Utf8JsonWriter json, AttributeExtent extent)
    {
        PageAttributes attributes = extent.Attributes;
        json.WriteStartObject();
        json.WriteNumber("guest_address"u8, extent.Start);
        json.WriteNumber("length"u8, extent.End - extent.Start);
        if (attributes.Has(AttributeKind.Protection))
        {
            json.WriteString("protection"u8, attributes.Protection switch
            {
                MemoryProtection.None => "none"u8,
                MemoryProtection.Read => "r"u8,
                _ => "w"u8,
            });
        }

        if (attributes.Locked)
        {
            json.WriteBoolean("locked"u8, true);
        }

        if (attributes.DontDump)
        {
            json.WriteBoolean("dontdump"u8, true);
        }

        if (attributes.Merging != Merging.AsRegistered)
        {
            json.WriteBoolean("mergeable"u8, attributes.Merging == Merging.Mergeable);
        }

        if (attributes.Name != 0)
        {
            json.WriteNumber("name"u8, attributes.Name);
        }

        json.WriteEndObject();
    }

    private readonly struct JsonSink(Utf8JsonWriter json) : ICounterSink
    {
        public void Add(string name, ulong value) => json.WriteNumber(name, value);
    }
}
