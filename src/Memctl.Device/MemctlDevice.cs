using System.Buffers.Binary;
using Memctl.Device.Attributes;
using Memctl.Device.Channels;
using Memctl.Device.Host;
using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;
using Memctl.Device.State;
using Microsoft.Extensions.Logging;

namespace Memctl.Device;

/// <summary>
/// The memctl device: register block, transport state machine, and the way of a request. The VMM calls it from any thread.
/// </summary>
/// <remarks>
/// <para>A guest's requests run at once and share no lock (<see cref="RequestProcessor"/>). Everything else (transport commands,
/// memory, save and restore) is the control path: one at a time under one lock, which no request takes.</para>
/// <para>What the control path takes away from requests, it first unpublishes and then waits for the requests in
/// progress (<see cref="ChannelTable.WaitForRequests"/>): so RESET is answered only when nothing writes to an old
/// buffer any more, and a region is quiet when <see cref="UnregisterMemory"/> returns.</para>
/// </remarks>
public sealed partial class MemctlDevice
{
    private readonly Lock _control = new();
    private readonly DeviceOptions _options;
    private readonly ulong _pageSize;
    private readonly ILogger _logger;
    private readonly GuestLogLimit _logLimit;
    private readonly GuestMemory _memory;
    private readonly GuestAttributes _attributes;
    private readonly ChannelTable _channels;
    private readonly RequestProcessor _requests;

    private volatile TransportState _transport;
    private ulong _payload;
    private ulong _ignoredAccesses;
    private ulong _unansweredRequests;
    private ulong _refusedCommands;

    /// <summary>Makes a device without memory, Disconnected.</summary>
    /// <param name="options">What the operator set.</param>
    /// <param name="pageSize">The host's page size in bytes.</param>
    /// <param name="calls">The kernel.</param>
    /// <param name="copy">Reaches the guest's pages.</param>
    /// <param name="dirtyLog">Told of changes while dirty logging is on; null if the VMM never switches it on.</param>
    /// <param name="logger">Takes log records; called with no lock held, from any thread. It must not throw.</param>
    /// <param name="clock">Tells the time to the limit on log records.</param>
    public MemctlDevice(
        DeviceOptions options, ulong pageSize, IHostCalls calls, IGuestCopy copy, IDirtyLog? dirtyLog, ILogger logger, TimeProvider clock)
    {
        _options = options;
        _pageSize = pageSize;
        _logger = logger;
        _logLimit = new GuestLogLimit(options.MaxLogLines, clock);
        _memory = new GuestMemory(copy);
        _attributes = new GuestAttributes(new HostMappings(calls, options.Dialect, (nuint)pageSize), options.MaxSplits, options.MaxLocked);
        _channels = new ChannelTable(options.Channels);
        _requests = new RequestProcessor(options, pageSize, _memory, _attributes, calls, dirtyLog);
        DeviceLog.Created(logger, options.Dialect.Name, options.Channels, options.MaxLocked, options.MaxSplits);
    }

    /// <summary>A guest's read from BAR 0. Fills <paramref name="data"/> from the register block, with zeros past it.</summary>
    public void MmioRead(ulong offset, Span<byte> data)
    {
        Span<byte> block = stackalloc byte[Registers.BlockSize];
        block.Clear();
        bool answeredAck = _transport != TransportState.Disconnected;
        BinaryPrimitives.WriteUInt64LittleEndian(block, Volatile.Read(ref _payload));
        BinaryPrimitives.WriteUInt32LittleEndian(
            block[(int)Registers.Command..], (uint)(answeredAck ? TransportCommand.ACK : TransportCommand.ERROR));
        data.Clear();
        if (offset < Registers.BlockSize)
        {
            ReadOnlySpan<byte> registers = block[(int)offset..];
            registers[..Math.Min(registers.Length, data.Length)].CopyTo(data);
        }
    }

    /// <summary>A guest's write to BAR 0. A request is complete when this returns.</summary>
    /// <returns>False if the access means nothing to the device: it was counted and has changed nothing.</returns>
    public bool MmioWrite(ulong offset, ReadOnlySpan<byte> data)
    {
        switch (offset, data.Length)
        {
            case (Registers.Command, sizeof(uint)):
                uint command = BinaryPrimitives.ReadUInt32LittleEndian(data);
                return (command & Registers.ChannelBit) != 0 ? Request(command) : Transport(command);
            case (Registers.Payload, sizeof(ulong)):
                return StorePayload(ulong.MaxValue, 0, BinaryPrimitives.ReadUInt64LittleEndian(data));
            case (Registers.Payload, sizeof(uint)):
                return StorePayload(uint.MaxValue, 0, BinaryPrimitives.ReadUInt32LittleEndian(data));
            case (Registers.PayloadHigh, sizeof(uint)):
                return StorePayload(uint.MaxValue, 32, BinaryPrimitives.ReadUInt32LittleEndian(data));
            default:
                Interlocked.Increment(ref _ignoredAccesses);
                if (MayLog())
                {
                    GuestRecords.Write(_logger, new IgnoredWriteRecord(offset, data.Length));
                }

                return false;
        }
    }

    private bool Request(uint command)
    {
        ChannelSet? connected = _channels.Connected;
        Channel? channel = connected?.Find(command);
        if (connected is null || channel is null || !_channels.TryEnter(connected, channel, out int parity))
        {
            return IgnoreChannel(command);
        }

        bool answered;
        try
        {
            answered = _requests.Serve(channel, connected);
        }
        finally
        {
            channel.Leave(parity);
        }

        // Records are written here, where no one waits for this thread.
        if (!answered)
        {
            Interlocked.Increment(ref _unansweredRequests);
            if (MayLog())
            {
                GuestRecords.Write(_logger, new NotAnsweredRecord(channel.BufferAddress));
            }
        }

        return true;
    }

    private bool IgnoreChannel(uint command)
    {
        Interlocked.Increment(ref _ignoredAccesses);
        if (MayLog())
        {
            GuestRecords.Write(_logger, new UnknownChannelRecord(command));
        }

        return false;
    }

    private bool StorePayload(ulong mask, int shift, ulong value)
    {
        lock (_control)
        {
            Volatile.Write(ref _payload, (_payload & ~(mask << shift)) | (value << shift));
        }

        return true;
    }

    /// <summary>Asks the limit, and tells what it had suppressed.</summary>
    private bool MayLog()
    {
        bool may = _logLimit.TryTake(out long suppressed);
        if (suppressed > 0)
        {
            GuestRecords.Write(_logger, new SuppressedRecord(suppressed));
        }

        return may;
    }
}
