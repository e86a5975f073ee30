using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Memctl.Device;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace Memctl.Schedules;

/// <summary>
/// A device with a guest, and what its VMM's process and kernel would notice: memory that is touched after it went away.
/// </summary>
internal sealed class World : IHostCalls, IGuestCopy, IDirtyLog
{
    internal const ulong Page = 4096;

    // Guest RAM: two regions and one of blocks, in this process at other addresses.
    internal const ulong Low = 0x10000;
    internal const ulong High = 0x40000;
    internal const ulong Blocks = 0x80000;
    private const ulong Length = 4 * Page;
    private const ulong LowHost = 0x7000_0000_0000;
    private const ulong HighHost = 0x7100_0000_0000;
    private const ulong BlocksHost = 0x7200_0000_0000;

    private readonly Dictionary<ulong, Request> _requests = [];
    private readonly List<(ulong Start, ulong End, string Why)> _forbidden = [];

    // Threads in a request, and those of them that have acted on the lower region and not answered.
    private readonly HashSet<Worker> _calling = [];
    private readonly HashSet<Worker> _owing = [];
    private int _unreported;

    internal World()
    {
        Device = new MemctlDevice(
            new DeviceOptions { Channels = 2, MaxSplits = 8, MaxLogLines = 0 }, Page, this, this, this, NullLogger.Instance, new StoppedClock());
        Device.RegisterMemory(Low, Length, unchecked((nuint)LowHost), RegionTraits.None);
        Device.RegisterMemory(High, Length, unchecked((nuint)HighHost), RegionTraits.None);
    }

    internal MemctlDevice Device { get; }

    /// <summary>From here on no discard may be in progress.</summary>
    internal bool IsDiscardInhibited { private get; set; }

    /// <summary>From here on every change of guest memory is to be reported.</summary>
    internal bool IsDirtyLogged { private get; set; }

    /// <summary>From here on nothing is to be reported.</summary>
    internal bool IsDirtyLogOver { private get; set; }

    /// <summary>Whether a change of guest memory went unreported.</summary>
    internal bool HasUnreported => _unreported > 0;

    /// <summary>Connects channels with these buffers, each with a request in it.</summary>
    internal World Connect(params ReadOnlySpan<(ulong Buffer, Request Request)> channels)
    {
        Command(TransportCommand.RESET);
        foreach ((ulong buffer, Request request) in channels)
        {
            _requests[HostOf(buffer)] = request;
            Register(buffer);
        }

        Command(TransportCommand.READY);
        return this;
    }

    internal static Request Discard(ulong address) => new(1, address, Page, 0);

    internal static Request Lock(ulong address) => new(7, address, Page, 0);

    internal static Request Close(ulong address) => new(9, address, Page, 0);

    /// <summary>What is in a buffer from now on.</summary>
    internal void Fill(ulong buffer, Request request) => _requests[HostOf(buffer)] = request;

    internal void Register(ulong buffer)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, buffer);
        Device.MmioWrite(Registers.Payload, bytes);
        Command(TransportCommand.REGISTER);
    }

    internal void Command(TransportCommand command) => Command((uint)command);

    /// <summary>The store by which a guest makes the request in a channel's buffer.</summary>
    internal void Call(int channel)
    {
        _calling.Add(Worker.Self!);
        Command(Registers.ChannelBit + (uint)channel);
        _calling.Remove(Worker.Self!);
    }

    /// <summary>From now on nothing may touch a range.</summary>
    internal void Forbid(ulong address, ulong length, string why) =>
        _forbidden.Add((HostOf(address), HostOf(address) + length, why));

    /// <summary>Takes the lower region out of the device, and from then on out of the process.</summary>
    internal void TakeLowAway()
    {
        Device.UnregisterMemory(Low, Length);
        Check(_owing.Count == 0, "Memory went away before a request about it was answered.");
        Forbid(Low, Length, "memory that was unregistered");
    }

    /// <summary>Adds a region of blocks of a page, the first of which is plugged.</summary>
    internal World Plug()
    {
        Device.RegisterMemory(Blocks, Length, unchecked((nuint)BlocksHost), RegionTraits.None, blockSize: Page);
        Device.PlugMemory(Blocks, Page);
        return this;
    }

    /// <summary>Takes that block away.</summary>
    internal void Unplug()
    {
        Device.UnplugMemory(Blocks, Page);
        Forbid(Blocks, Page, "a block that was unplugged");
    }

    internal void Allow(ulong address)
    {
        ulong host = HostOf(address);
        _forbidden.RemoveAll(range => range.Start == host);
    }

    internal static void Check(bool holds, string what)
    {
        if (!holds)
        {
            Run.Fail(what);
        }
    }

    /// <summary>A moment at which others may go on at no cost, between two calls of a thread.</summary>
    internal static void Pause() => Run.Step(new Operation("(between two calls)"), isFree: true);

    public int Advise(nuint address, nuint length, MemoryAdvice advice)
    {
        bool discards = advice == MemoryAdvice.DontNeed;
        CallHost($"madvise {advice}", address, length, () => !(discards && IsDiscardInhibited), "A discard while discards are inhibited.");
        if (discards)
        {
            Change();
        }

        return 0;
    }

    public int Lock(nuint address, nuint length) => CallHost("mlock2", address, length);

    public int Unlock(nuint address, nuint length) => CallHost("munlock", address, length);

    public int Protect(nuint address, nuint length, MemoryProtection protection) => CallHost("mprotect", address, length);

    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name) => CallHost("prctl", address, length);

    public bool TryRead(nuint source, Span<byte> destination)
    {
        Run.Step(new Operation("request is read from", $"{source:x}"));
        Touch(source, (ulong)destination.Length);
        Request request = _requests[source];
        MemoryMarshal.Write(destination, in request);
        return true;
    }

    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        ulong length = (ulong)source.Length;
        Worker self = Worker.Self!;
        Run.Step(new Operation("answer is written to", $"{destination:x}"));
        Run.Store(() =>
        {
            Touch(destination, length);
            _owing.Remove(self);
            Change();
        });
        return true;
    }

    public void MarkDirty(ulong guestAddress, ulong length)
    {
        // A bit in a bitmap, set by an atomic operation.
        Run.Step(new Operation("change is reported", $"{guestAddress:x}"));
        Run.Fence();
        Check(!IsDirtyLogOver, "A report after the VMM had ended them.");
        _unreported = Math.Max(0, _unreported - 1);
    }

    private static ulong HostOf(ulong address) => address switch
    {
        >= Blocks => BlocksHost + (address - Blocks),
        >= High => HighHost + (address - High),
        _ => LowHost + (address - Low),
    };

    private int CallHost(string what, nuint address, nuint length, Func<bool>? mayBe = null, string otherwise = "")
    {
        Run.Step(new Operation($"{what} begins", $"{address:x}"));
        Touch(address, length);
        if (address < HighHost && Worker.Self is { } self && _calling.Contains(self))
        {
            _owing.Add(self);
        }

        Run.Step(new Operation($"{what} ends", $"{address:x}"));
        Touch(address, length);
        Check(mayBe?.Invoke() != false, otherwise);
        return 0;
    }

    private void Change() => _unreported += IsDirtyLogged ? 1 : 0;

    private void Touch(ulong address, ulong length)
    {
        foreach ((ulong start, ulong end, string why) in _forbidden)
        {
            Check(address >= end || start >= address + length, $"A request touched {why}.");
        }
    }

    private void Command(uint command)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, command);
        Device.MmioWrite(Registers.Command, bytes);
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
