using System.Globalization;
using System.Text;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.State;
using Memctl.Device.Tests.Fakes;
using Memctl.Device.Tests.Guest;
using Microsoft.Extensions.Logging.Abstractions;

namespace Memctl.Device.Tests.Fuzz;

/// <summary>
/// Reads actions out of bytes, does each to the device and to the model, and compares everything that can be seen. Bytes that have
/// run out read as zero, so that any bytes are actions: a corpus file can be cut or joined.
/// </summary>
internal sealed partial class ActionDriver
{
    internal const int MaxChannels = 3;
    private const int MaxSplits = 6;
    private const ulong MaxLocked = 6 * DeviceModel.Page;
    private const ulong Base = 0x10000;
    private const int Slots = 6;
    private const ulong SlotPages = 4;
    private const ulong Page = DeviceModel.Page;

    private static readonly DeviceOptions _options = OptionParser.Parse(
        string.Create(CultureInfo.InvariantCulture, $"channels={MaxChannels},max_splits={MaxSplits},max_locked={MaxLocked},max_log_lines=1,max_request_time=60000000,on_fault=open"));

    private readonly byte[] _actions;
    private readonly StringBuilder _story = new();
    private readonly SimulatedMemory _memory = new();
    private readonly KernelModel _kernel = new();
    private readonly DeviceModel _model = new(MaxChannels, MaxSplits, MaxLocked);
    private MemctlDevice _device;
    private int _at;
    private bool _copyFails;

    internal ActionDriver(byte[] actions)
    {
        _actions = actions;
        _device = NewDevice();
        for (int slot = 0; slot < Slots; slot++)
        {
            _memory.Add(HostOf(slot), SlotPages * Page);
        }

        _memory.Allow = (_, _) => !_copyFails;
        Register(0);
        Register(1);
        Register(3);
    }

    /// <summary>The actions that were done, one on each line.</summary>
    internal string Story => _story.ToString();

    internal void Run()
    {
        while (_at < _actions.Length)
        {
            Step();
            Compare();
        }
    }

    private MemctlDevice NewDevice() =>
        new(_options, Page, _kernel, _memory, null, NullLogger.Instance, TimeProvider.System);

    private static ulong HostOf(int slot) => 0x7000_0000_0000 + ((ulong)slot << 24);

    private byte Next() => _at < _actions.Length ? _actions[_at++] : (byte)0;

    private void Step()
    {
        switch (Next() % 16)
        {
            case 0:
                Transport(new[] { Wire.RESET, Wire.REGISTER, Wire.READY, Wire.DISCONNECT, Wire.ACK, Wire.ERROR }[Next() % 6]);
                break;
            case 1:
                StorePayload(Address());
                break;
            case 2:
                WriteAnything();
                break;
            case 3:
                Register(Next() % Slots);
                break;
            case 4:
                Unregister(Next() % Slots);
                break;
            case 5:
                ResetMachine();
                break;
            case 6:
                Switch(Next());
                break;
            case 7:
                SaveAndRestore();
                break;
            case 8:
                ConnectAll();
                break;
            case 14:
                RequestList();
                break;
            default:
                Request();
                break;
        }
    }

    private void Switch(byte which)
    {
        bool enabled = which % 2 == 1;
        int what = which / 2 % 4;
        Tell($"switch {what} to {enabled}");
        switch (what)
        {
            case 0:
                _model.Inhibited = enabled;
                _device.InhibitDiscard(enabled);
                break;
            case 1:
                _model.KeptReadable = enabled;
                _device.KeepReadable(enabled);
                break;
            case 2:
                _model.KeptAccessible = enabled;
                _device.KeepAccessible(enabled);
                break;
            default:
                ulong? address = enabled ? Address() : null;
                bool opened = _model.ResolveFault(address);
                Assert.Equal(opened ? null : DeviceFault.NotFound, FaultOf(() => _device.ResolveFault(address)));
                break;
        }
    }

    private static DeviceFault? FaultOf(Action call)
    {
        try
        {
            call();
            return null;
        }
        catch (DeviceException exception)
        {
            return exception.Fault;
        }
    }

    /// <summary>An address of interest: a page of a slot, a little beside it, or far away.</summary>
    private ulong Address()
    {
        ulong page = Base + ((ulong)Next() % ((ulong)Slots * SlotPages) * Page);
        return (Next() % 8) switch
        {
            0 => page + Page - 16,
            1 => page + 8,
            2 => page + Page - 32,
            3 => Next() == 0 ? ulong.MaxValue - 15 : page,
            _ => page,
        };
    }

    private ulong Length() => (Next() % 12) switch
    {
        9 => 100,
        10 => ulong.MaxValue - Page + 1,
        11 => 0,
        var pages => (ulong)(pages + 1) * Page,
    };

    private void Transport(uint command)
    {
        Tell($"command {command:x}");
        _model.Command(command);
        Store(Wire.CommandOffset, 4, command);
    }

    private void StorePayload(ulong address)
    {
        Tell($"payload {address:x}");
        _model.Payload = address;
        Store(Wire.PayloadOffset, 8, address);
    }

    private void ConnectAll()
    {
        Transport(Wire.RESET);
        for (int channel = Next() % (MaxChannels + 1); channel > 0; channel--)
        {
            StorePayload(Address() & ~7ul);
            Transport(Wire.REGISTER);
        }

        Transport(Wire.READY);
    }

    private void WriteAnything()
    {
        ulong offset = Next() % 20ul;
        int width = Next() % 10;
        if ((offset, width) is (0, 4) or (0, 8) or (4, 4) or (8, 4))
        {
            return;
        }

        Tell($"write {width} bytes at {offset}");
        Assert.False(_device.MmioWrite(offset, new byte[width]));
    }

    private void Register(int slot)
    {
        ulong start = Base + ((ulong)slot * SlotPages * Page);
        ulong length = SlotPages * Page;
        Tell($"register {start:x}");
        if (_model.RegionOf(start) is null)
        {
            _device.RegisterMemory(start, length, unchecked((nuint)HostOf(slot)), RegionTraits.None);
            _model.Regions.Add(new ModelRegion(start, start + length, HostOf(slot)));
            return;
        }

        Assert.Equal(DeviceFault.Overlap, Assert.Throws<DeviceException>(
            () => _device.RegisterMemory(start, length, unchecked((nuint)HostOf(slot)), RegionTraits.None)).Fault);
    }

    private void Unregister(int slot)
    {
        ulong start = Base + ((ulong)slot * SlotPages * Page);
        ulong length = SlotPages * Page;
        Tell($"unregister {start:x}");
        if (_model.Regions.RemoveAll(region => region.Start == start) == 0)
        {
            Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(() => _device.UnregisterMemory(start, length)).Fault);
            return;
        }

        _device.UnregisterMemory(start, length);
        _model.Forget(start, start + length);
        for (ulong page = HostOf(slot); page < HostOf(slot) + length; page += Page)
        {
            Assert.Equal(KernelPage.AsMapped, _kernel.At(page));
        }
    }

    private void ResetMachine()
    {
        Tell("reset of the machine");
        _device.Reset();
        _model.Disconnect();
        _model.Payload = 0;
    }

    /// <summary>Migrates to a new device on this host: the kernel's pages are made as mapped, as on the other host.</summary>
    private void SaveAndRestore()
    {
        Tell("save and restore");
        byte[] state = DeviceStateCodec.Encode(_device.Save());
        foreach (ModelRegion region in _model.Regions.ToArray())
        {
            _device.UnregisterMemory(region.Start, region.End - region.Start);
        }

        _device = NewDevice();
        foreach (ModelRegion region in _model.Regions)
        {
            _device.RegisterMemory(region.Start, region.End - region.Start, unchecked((nuint)region.Host), RegionTraits.None);
        }

        _device.InhibitDiscard(_model.Inhibited);
        _device.Restore(DeviceStateCodec.Decode(state));
        Assert.Equal(state, DeviceStateCodec.Encode(_device.Save()));
        _device.KeepReadable(_model.KeptReadable);
        _device.KeepAccessible(_model.KeptAccessible);
    }

    private void Compare()
    {
        Span<byte> block = stackalloc byte[16];
        _device.MmioRead(0, block);
        Assert.Equal(_model.Payload, BitConverter.ToUInt64(block));
        Assert.Equal(_model.CommandReads, BitConverter.ToUInt32(block[8..]));
        Assert.Equal(0u, BitConverter.ToUInt32(block[12..]));
        DeviceState state = _device.Save();
        Assert.Equal(_model.State, state.Transport.ToString());
        Assert.Equal(_model.Buffers, state.BufferAddresses);
        IReadOnlyList<DeviceCounter> counters = _device.Counters();
        Assert.Equal(_model.Splits, counters.Single(counter => counter.Name == "splits").Value);
        Assert.Equal(_model.LockedBytes, counters.Single(counter => counter.Name == "locked_bytes").Value);
        foreach (ModelRegion region in _model.Regions)
        {
            for (ulong page = region.Start; page < region.End; page += Page)
            {
                Assert.Equal(_model.KernelPageOf(page), _kernel.At(region.Host + (page - region.Start)));
            }
        }
    }

    private bool Store(ulong offset, int width, ulong value) =>
        _device.MmioWrite(offset, BitConverter.GetBytes(value).AsSpan(0, width));

    private void Poke(ulong address, byte[] bytes)
    {
        for (int index = 0; index < bytes.Length; index++)
        {
            _memory.Poke(HostAddressOf(address + (ulong)index), bytes.AsSpan(index, 1));
        }
    }

    private byte[] Peek(ulong address, int length = 32) =>
        [.. Enumerable.Range(0, length).Select(index => _memory.Peek(HostAddressOf(address + (ulong)index), 1)[0])];

    private ulong HostAddressOf(ulong address)
    {
        ModelRegion region = _model.RegionOf(address)!;
        return region.Host + (address - region.Start);
    }

    private void Tell(string action) => _story.AppendLine(action);
}
