using System.Buffers.Binary;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Tests.Fakes;

namespace Memctl.Device.Tests.Guest;

/// <summary>
/// A guest's driver over a device with made-up host memory. Its RAM is <c>Low</c> (16 pages) with <c>High</c> (8 pages) adjoining,
/// and behind a gap <c>Far</c> (4 pages), where the buffers are. Host addresses do not adjoin.
/// </summary>
internal sealed class TestGuest
{
    internal const ulong Low = 0x10000;
    internal const ulong High = 0x20000;
    internal const ulong HighEnd = 0x28000;
    internal const ulong Far = 0x40000;
    internal const ulong FarEnd = 0x44000;
    internal const ulong LowHost = 0x7000_0000_0000;
    internal const ulong HighHost = 0x7100_0000_0000;
    internal const ulong FarHost = 0x7200_0000_0000;

    private readonly string _dialect;

    /// <param name="options">Of the device.</param>
    /// <param name="withMemory">Whether it has the RAM above.</param>
    /// <param name="mayMerge">Whether MERGEABLE is allowed, whatever the options say of it: most tests are about something else.</param>
    internal TestGuest(string options = "", bool withMemory = true, bool mayMerge = true)
    {
        DeviceOptions parsed = OptionParser.Parse(options);
        parsed = parsed with { MayMerge = parsed.MayMerge || mayMerge };
        _dialect = parsed.Dialect.Name;
        Device = new MemctlDevice(parsed, Wire.Page, Calls, Memory, DirtyLog, Log, Clock);
        if (withMemory)
        {
            AddRegion(Low, High - Low, LowHost);
            AddRegion(High, HighEnd - High, HighHost);
            AddRegion(Far, FarEnd - Far, FarHost);
        }
    }

    internal MemctlDevice Device { get; }

    internal RecordedHostCalls Calls { get; } = new();

    internal SimulatedMemory Memory { get; } = new();

    internal RecordedDirtyLog DirtyLog { get; } = new();

    internal RecordedLog Log { get; } = new();

    internal ManualClock Clock { get; } = new();

    /// <summary>A guest whose driver has connected this many channels, with buffers one after the other from <see cref="Far"/> on.</summary>
    internal static TestGuest Connected(string options = "", int channels = 1)
    {
        var guest = new TestGuest(options);
        guest.Connect([.. Enumerable.Range(0, channels).Select(BufferOf)]);
        return guest;
    }

    internal static ulong BufferOf(int channel) => Far + (32 * (ulong)channel);

    internal static uint ChannelCommand(int channel) => Wire.FirstChannel + (uint)channel;

    internal ulong Code(string function) => Wire.Code(function, _dialect);

    internal void AddRegion(ulong guestAddress, ulong length, ulong hostAddress, RegionTraits traits = RegionTraits.None)
    {
        Memory.Add(hostAddress, length);
        Device.RegisterMemory(guestAddress, length, (nuint)hostAddress, traits);
    }

    internal void Connect(params ReadOnlySpan<ulong> buffers)
    {
        Command(Wire.RESET);
        foreach (ulong buffer in buffers)
        {
            Register(buffer);
            Assert.Equal(Wire.ACK, ReadCommand());
        }

        Command(Wire.READY);
        Assert.Equal(Wire.ACK, ReadCommand());
    }

    internal void Register(ulong buffer)
    {
        StorePayload(buffer);
        Command(Wire.REGISTER);
    }

    internal bool Command(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Device.MmioWrite(Wire.CommandOffset, bytes);
    }

    internal void StorePayload(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Assert.True(Device.MmioWrite(Wire.PayloadOffset, bytes));
    }

    internal uint ReadCommand()
    {
        Span<byte> bytes = stackalloc byte[4];
        Device.MmioRead(Wire.CommandOffset, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    internal ulong ReadPayload()
    {
        Span<byte> bytes = stackalloc byte[8];
        Device.MmioRead(Wire.PayloadOffset, bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    internal static ulong HostOf(ulong guestAddress) => guestAddress switch
    {
        >= Far => FarHost + (guestAddress - Far),
        >= High => HighHost + (guestAddress - High),
        _ => LowHost + (guestAddress - Low),
    };

    /// <summary>Makes a request by name on a connected channel and gives back the 32 bytes of its buffer.</summary>
    internal byte[] Request(string function, ulong addr = 0, ulong length = 0, ulong arg = 0, int channel = 0) =>
        Send(Wire.Request(Code(function), addr, length, arg), channel);

    internal byte[] Send(byte[] request, int channel = 0)
    {
        ulong host = HostOf(BufferOf(channel));
        Memory.Poke(host, request);
        Assert.True(Command(ChannelCommand(channel)), "The device ignored a request on a connected channel.");
        return Memory.Peek(host, 32);
    }

    internal ulong Counter(string name) => Device.Counters().Single(counter => counter.Name == name).Value;
}
