using System.Buffers.Binary;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Tests.Guest;
using Microsoft.Extensions.Logging.Abstractions;

namespace Memctl.Device.Tests;

/// <summary>A request allocates nothing: an allocation on a vCPU's thread can start a collection there.</summary>
public sealed class AllocationTests
{
    private const ulong Ram = 0x10_0000;
    private const ulong RamSize = 64 * Wire.Page;
    private const int Requests = 2000;

    /// <summary>Every code of both dialects and one that is unknown, with a good range, a bad one, and one across regions.</summary>
    public static TheoryData<string, ulong> Codes
    {
        get
        {
            var data = new TheoryData<string, ulong>();
            foreach (string dialect in new[] { "memctl", "pvmemcontrol" })
            {
                for (ulong code = 0; code <= (ulong)Wire.CodesOf(dialect).Length; code++)
                {
                    data.Add(dialect, code);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void Request_OfAnyCodeGoodOrBad_AllocatesNothing(string dialect, ulong code)
    {
        var memory = new FlatMemory();
        var device = new MemctlDevice(
            OptionParser.Parse($"dialect={dialect}"), Wire.Page, new NoCalls(), memory, memory, NullLogger.Instance, TimeProvider.System);
        device.RegisterMemory(Ram, RamSize, (nuint)Ram, RegionTraits.None);
        device.RegisterMemory(Ram + RamSize, RamSize, (nuint)(Ram + (2 * RamSize)), RegionTraits.None);
        device.SetDirtyLogging(true);
        Write(device, Wire.CommandOffset, 4, Wire.RESET);
        Write(device, Wire.PayloadOffset, 8, Ram);
        Write(device, Wire.CommandOffset, 4, Wire.REGISTER);
        Write(device, Wire.CommandOffset, 4, Wire.READY);
        (ulong Addr, ulong Length)[] ranges =
        [
            (Ram + Wire.Page, Wire.Page), (Ram + RamSize - Wire.Page, 2 * Wire.Page), (Ram + 1, 1), (0, Wire.Page), (Ram, 0),
        ];
        void Send(int times)
        {
            Span<byte> data = stackalloc byte[8];
            for (int request = 0; request < times; request++)
            {
                (ulong addr, ulong length) = ranges[request % ranges.Length];
                memory.SetRequest(code, addr, length, (ulong)request);
                Write(device, Wire.CommandOffset, 4, Wire.FirstChannel);
                device.MmioRead(0, data);
            }
        }

        int batches = Allocation.AssertSettlesAtZero(() => Send(Requests));

        Assert.Equal((uint)(batches * Requests), memory.Answers);
    }

    [Fact]
    public void Counters_ReadIntoASink_AllocateNothing()
    {
        MemctlDevice device = new TestGuest().Device;
        var sum = default(Sum);

        int batches = Allocation.AssertSettlesAtZero(() => device.ReadCounters(ref sum));

        Assert.Equal(batches * device.Counters().Count, sum.Counters);
    }

    private static void Write(MemctlDevice device, ulong offset, int width, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        device.MmioWrite(offset, bytes[..width]);
    }

    private struct Sum : ICounterSink
    {
        internal int Counters { get; private set; }

        public void Add(string name, ulong value) => Counters++;
    }

    /// <summary>One buffer, whatever the address.</summary>
    private sealed class FlatMemory : IGuestCopy, IDirtyLog
    {
        private readonly byte[] _buffer = new byte[32];

        internal uint Answers { get; private set; }

        internal void SetRequest(ulong code, ulong addr, ulong length, ulong arg)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer, code);
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(8), addr);
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(16), length);
            BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(24), arg);
        }

        public bool TryRead(nuint source, Span<byte> destination)
        {
            _buffer.CopyTo(destination);
            return true;
        }

        public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
        {
            source.CopyTo(_buffer);
            Answers++;
            return true;
        }

        public void MarkDirty(ulong guestAddress, ulong length)
        {
            // Told, and that is all.
        }
    }

    private sealed class NoCalls : IHostCalls
    {
        public int Advise(nuint address, nuint length, MemoryAdvice advice) => 0;

        public int Lock(nuint address, nuint length) => 0;

        public int Unlock(nuint address, nuint length) => 0;

        public int Protect(nuint address, nuint length, MemoryProtection protection) => 0;

        public int Name(nuint address, nuint length, ReadOnlySpan<byte> name) => 0;
    }
}
