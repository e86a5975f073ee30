using System.Diagnostics;
using System.Globalization;
using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.State;
using Memctl.Device.Tests.Guest;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit.Abstractions;

namespace Memctl.Device.Tests.Concurrency;

/// <summary>
/// Four vCPUs ask for everything, right and wrong, while other threads plug and unplug memory, reset, disconnect, inhibit, save and
/// restore. MEMCTL_STRESS_SECONDS sets for how long.
/// </summary>
public sealed class StressTests(ITestOutputHelper output)
{
    private const int DefaultSeconds = 5;
    private const int Vcpus = 4;
    private const ulong Page = Wire.Page;

    private static readonly DeviceOptions _options = OptionParser.Parse("channels=4,max_splits=12,max_locked=64K,max_log_lines=0");

    private readonly StressHost _host = new();
    private readonly StressModel _model = new();
    private MemctlDevice _device = null!;
    private long _answered;
    private long _ignored;
    private long _connections;
    private long _plugs;
    private volatile bool _stop;

    [Fact]
    public void Requests_AgainstEverythingElse_AnswerOnlyWhatTheModelAllows()
    {
        _device = NewDevice(_host, _host);
        Worker[] workers =
        [
            .. Enumerable.Range(0, Vcpus).Select(vcpu => Worker.Start(() => RunVcpu(vcpu))),
            Worker.Start(PlugAndUnplug),
            Worker.Start(ConnectAndDisconnect),
            Worker.Start(Administer),
        ];
        string? setting = Environment.GetEnvironmentVariable("MEMCTL_STRESS_SECONDS");
        var limit = TimeSpan.FromSeconds(setting is null ? DefaultSeconds : int.Parse(setting, CultureInfo.InvariantCulture));
        var watch = Stopwatch.StartNew();
        SpinWait.SpinUntil(
            () => watch.Elapsed >= limit || !_host.Failures.IsEmpty || Array.Exists(workers, worker => worker.HasFailed), limit);
        _stop = true;
        Array.ForEach(workers, worker => worker.Finish());

        output.WriteLine($"{_answered} answered, {_ignored} ignored, {_connections} connections, {_plugs} plugs");
        Assert.Empty(_host.Failures);
        Assert.True(_answered > 1000 && _ignored > 0 && _connections > 10 && _plugs > 10);
        AssertRecordIsWhatTheHostHolds();
    }

    private static ulong BufferOf(int channel) => channel < 3
        ? StressModel.Base + (64 * (ulong)channel)
        : StressModel.Base + StressModel.SlotSize;

    private static ulong HostOf(ulong address)
    {
        ulong slot = (address - StressModel.Base) / StressModel.SlotSize;
        return StressHost.HostOf((int)slot) + ((address - StressModel.Base) % StressModel.SlotSize);
    }

    private static MemctlDevice NewDevice(IHostCalls calls, IGuestCopy copy)
    {
        var device = new MemctlDevice(_options, Page, calls, copy, new NoDirtyLog(), NullLogger.Instance, TimeProvider.System);
        for (int slot = 0; slot < StressHost.Slots; slot++)
        {
            Plug(device, slot);
        }

        return device;
    }

    private static void Plug(MemctlDevice device, int slot) => device.RegisterMemory(
        StressModel.Base + ((ulong)slot * StressModel.SlotSize), StressModel.SlotSize, (nuint)StressHost.HostOf(slot), RegionTraits.None);

    private void RunVcpu(int vcpu)
    {
        var random = new Random(vcpu);
        ulong buffer = HostOf(BufferOf(vcpu));
        while (!_stop)
        {
            ulong code = (ulong)random.Next(0, 15);
            ulong addr = StressModel.Base + ((ulong)random.Next(0, (StressHost.Slots + 1) * StressHost.SlotPages) * Page);
            ulong length = (ulong)random.Next(1, 4) * Page;
            addr += random.Next(0, 20) == 0 ? 8u : 0u;
            byte[] request = Wire.Request(code, addr, length, (ulong)random.Next(0, 3));
            request.CopyTo(_host.Bytes(buffer, 32));

            int[] before = _model.Look();
            bool taken = Store(Wire.FirstChannel + (uint)vcpu);
            int[] after = _model.Look();

            byte[] answer = _host.Bytes(buffer, 32).ToArray();
            Assert.True(StressModel.MayHave(taken, before, after) || (vcpu == 3 && !taken), $"taken: {taken}");
            if (!taken)
            {
                Assert.Equal(request, answer);
                Interlocked.Increment(ref _ignored);
            }
            else if (vcpu != 3 || !answer.AsSpan().SequenceEqual(request) || !Switch.MayBeOff(before[1], after[1]))
            {
                Assert.True(
                    StressModel.Allows(code, addr, length, answer, before, after),
                    $"{code} {addr:x}+{length:x}: {Convert.ToHexString(answer)}, {string.Join(' ', before)} to {string.Join(' ', after)}");
                Interlocked.Increment(ref _answered);
            }
        }
    }

    private void PlugAndUnplug()
    {
        var random = new Random(100);
        while (!_stop)
        {
            int slot = random.Next(1, StressHost.Slots);
            _model.Registered[slot].Turn(() =>
            {
                _device.UnregisterMemory(StressModel.Base + ((ulong)slot * StressModel.SlotSize), StressModel.SlotSize);
                _host.Close(slot);
            });
            Thread.SpinWait(random.Next(0, 3000));
            _model.Registered[slot].Turn(() =>
            {
                _host.Open(slot);
                Plug(_device, slot);
            });
            _plugs++;
            Thread.SpinWait(random.Next(0, 3000));
        }
    }

    private void ConnectAndDisconnect()
    {
        var random = new Random(200);
        while (!_stop)
        {
            _model.Connected.Turn(() => Connect(random.Next(0, 2) == 0 ? 3 : 4));
            _connections++;
            Thread.SpinWait(random.Next(0, 20_000));
            _model.Connected.Turn(() =>
            {
                switch (random.Next(0, 4))
                {
                    case 0:
                        Store(Wire.DISCONNECT);
                        break;
                    case 1:
                        _device.Reset();
                        break;
                    default:
                        Store(Wire.RESET);
                        break;
                }

                _host.Disconnected = true;
            });
            Thread.SpinWait(random.Next(0, 2000));
        }
    }

    /// <summary>Connects so many channels; the last one's buffer is in memory that comes and goes, so that its REGISTER may fail.</summary>
    private void Connect(int channels)
    {
        Store(Wire.RESET);
        for (int channel = 0; channel < channels; channel++)
        {
            _device.MmioWrite(Wire.PayloadOffset, BitConverter.GetBytes(BufferOf(channel)));
            Store(Wire.REGISTER);
        }

        _host.Disconnected = false;
        Store(Wire.READY);
        byte[] answer = new byte[4];
        _device.MmioRead(Wire.CommandOffset, answer);
        if (BitConverter.ToUInt32(answer) != Wire.ACK)
        {
            Assert.Equal(4, channels);
            Connect(3);
        }
    }

    private void Administer()
    {
        var random = new Random(300);
        while (!_stop)
        {
            _model.Inhibited.Turn(() =>
            {
                _device.InhibitDiscard(true);
                _host.NoDiscards = true;
            });
            _device.SetDirtyLogging(random.Next(0, 2) == 0);
            byte[] state = DeviceStateCodec.Encode(_device.Save());
            Assert.Equal(state, DeviceStateCodec.Encode(DeviceStateCodec.Decode(state)));
            NewDevice(new StressHost(), new StressHost()).Restore(DeviceStateCodec.Decode(state));
            _model.Inhibited.Turn(() =>
            {
                _host.NoDiscards = false;
                _device.InhibitDiscard(false);
            });

            // The budget, and two for each region that was unplugged out of the middle of a run.
            ulong splits = _device.Counters().Single(counter => counter.Name == "splits").Value;
            Assert.True(splits <= 12 + (2 * (StressHost.Slots - 2)), $"{splits} splits");
            Thread.SpinWait(random.Next(0, 20_000));
        }
    }

    private bool Store(uint command) => _device.MmioWrite(Wire.CommandOffset, BitConverter.GetBytes(command));

    private void AssertRecordIsWhatTheHostHolds()
    {
        IReadOnlyList<AttributeExtent> runs = _device.Save().Attributes;
        for (ulong page = StressModel.Base; page < StressModel.Base + (StressHost.Slots * StressModel.SlotSize); page += Page)
        {
            PageAttributes recorded = runs.FirstOrDefault(run => run.Start <= page && page < run.End).Attributes;
            Assert.Equal((recorded.Locked, (int)recorded.Protection), _host.At(HostOf(page)));
        }
    }

    private sealed class NoDirtyLog : IDirtyLog
    {
        public void MarkDirty(ulong guestAddress, ulong length)
        {
            // Told, and that is all.
        }
    }
}
