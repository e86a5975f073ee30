using System.Buffers.Binary;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Tests.Guest;
using Microsoft.Extensions.Logging.Abstractions;

namespace Memctl.Device.Tests.RealMemory;

/// <summary>A guest with one region of real memory, and its buffer in another, over the real kernel.</summary>
internal sealed class RealGuest : IDisposable
{
    internal const ulong Base = 1ul << 32;
    private const ulong Buffer = 1ul << 20;

    private readonly Mapping _buffer = new((nuint)Wire.Page);
    private readonly MemctlDevice _device;

    private readonly string _dialect;

    /// <param name="pages">Of its region.</param>
    /// <param name="shared">Whether that is shared memory.</param>
    /// <param name="options">Of the device.</param>
    /// <param name="mergeable">Whether it is memory that the VMM has advised MADV_MERGEABLE.</param>
    internal RealGuest(ulong pages, bool shared = false, string options = "", bool mergeable = false)
    {
        DeviceOptions parsed = OptionParser.Parse(options);
        _dialect = parsed.Dialect.Name;
        Ram = new Mapping((nuint)(pages * Wire.Page), shared);
        HasMerging = !mergeable || new LinuxHostCalls().Advise(Ram.Address, Ram.Length, MemoryAdvice.Mergeable) == 0;
        _device = new MemctlDevice(
            parsed, Wire.Page, new LinuxHostCalls(), new PlainCopy(), null, NullLogger.Instance, TimeProvider.System);
        _device.RegisterMemory(Base, Ram.Length, Ram.Address, mergeable ? RegionTraits.Mergeable : RegionTraits.None);
        _device.RegisterMemory(Buffer, _buffer.Length, _buffer.Address, RegionTraits.None);
        Command(Wire.RESET);
        byte[] payload = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(payload, Buffer);
        _device.MmioWrite(Wire.PayloadOffset, payload);
        Command(Wire.REGISTER);
        Command(Wire.READY);
    }

    /// <summary>Whether the kernel took the advice to merge: one built without KSM does not.</summary>
    internal bool HasMerging { get; }

    internal Mapping Ram { get; }

    internal MemctlDevice Device => _device;

    /// <summary>Makes a request about pages of the region and gives its errno.</summary>
    internal int Request(string function, ulong firstPage, ulong pages, ulong arg = 0)
    {
        Wire.Request(Wire.Code(function, _dialect), Base + (firstPage * Wire.Page), pages * Wire.Page, arg).CopyTo(_buffer.Bytes(0, 32));
        Command(Wire.FirstChannel);
        return Wire.Errno(_buffer.Bytes(0, 32).ToArray());
    }

    internal nuint AddressOf(ulong page) => Ram.Address + (nuint)(page * Wire.Page);

    internal bool IsPresent(ulong page) => Smaps.IsPresent(AddressOf(page));

    internal Vma VmaOf(ulong page) => Smaps.At(AddressOf(page));

    internal int Mappings => Smaps.Of(Ram.Address, Ram.Length).Count;

    public void Dispose()
    {
        _device.Stop();
        Ram.Dispose();
        _buffer.Dispose();
    }

    private void Command(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Assert.True(_device.MmioWrite(Wire.CommandOffset, bytes));
    }
}
