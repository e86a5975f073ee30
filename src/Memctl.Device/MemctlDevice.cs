using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Memctl.Device.Attributes;
using Memctl.Device.Channels;
using Memctl.Device.Host;
using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;
using Memctl.Device.Requests;
using Memctl.Device.State;
using Microsoft.Extensions.Logging;

namespace Memctl.Device;

/// <summary>
/// The memctl device: register block, transport state machine, and the path of a request. The VMM calls it from any thread.
/// </summary>
/// <remarks>
/// <para>A guest's requests run at once and share no lock (<see cref="RequestProcessor"/>), but for changes of attributes
/// (<see cref="GuestAttributes"/>). Transport commands are one at a time under one lock, calls of the VMM under another; where
/// both are needed, the transport lock is taken first. Statistics take none.</para>
/// <para>What is taken away from requests is first unpublished; then <see cref="ChannelTable.Synchronize"/> waits for the
/// requests in progress. So RESET is answered only when nothing writes to an old buffer any more, and a region is quiescent when
/// <see cref="UnregisterMemory"/> returns.</para>
/// </remarks>
public sealed partial class MemctlDevice
{
    // Configuration.
    private readonly DeviceOptions _options;
    private readonly ulong _pageSize;

    // Guest-visible state, guarded by _transportLock; what MmioRead returns is read without it.
    private readonly Lock _transportLock;
    private volatile TransportState _transport;
    private ulong _payload;

    // Runtime. _control serialises changes of memory and switches.
    private readonly Lock _control;
    private readonly GuestAttributes _attributes;
    private readonly RequestRules _rules;
    private readonly ChannelTable _channels;
    private readonly RequestProcessor _requests;
    private readonly GuestMemory _memory;
    private readonly IDirtyLog? _dirtyLog;
    private bool _keepsReadable;
    private bool _keepsAccessible;

    // Monitoring.
    private readonly ILogger _logger;
    private readonly GuestLogLimit _logLimit;
    private ulong _ignoredAccesses;
    private ulong _unansweredRequests;
    private ulong _refusedCommands;
    private ulong _openedBytes;

    /// <summary>Makes a device without memory, Disconnected.</summary>
    /// <param name="options">What the operator set.</param>
    /// <param name="pageSize">The host's page size in bytes.</param>
    /// <param name="calls">The kernel.</param>
    /// <param name="copy">Reaches the guest's pages.</param>
    /// <param name="dirtyLog">Notified of changes while dirty logging is on; null if the VMM never switches it on.</param>
    /// <param name="logger">Takes log records; called with no lock held, from any thread. It must not throw.</param>
    /// <param name="clock">The time, for limits on log records, lists and PAGEOUT.</param>
    public MemctlDevice(
        DeviceOptions options, ulong pageSize, IHostCalls calls, IGuestCopy copy, IDirtyLog? dirtyLog, ILogger logger, TimeProvider clock)
    {
        _options = options;
        _pageSize = pageSize;
        _dirtyLog = dirtyLog;
        _logger = logger;

        // What every request reads comes first, and so lies side by side.
        _memory = new GuestMemory(copy, RegionMap.Empty, dirtyLog);
        _channels = new ChannelTable(options.Channels);
        _rules = new RequestRules(options, pageSize, _memory);
        var advice = new AdvicePath(options, _rules, clock, _memory, calls);
        _attributes = new GuestAttributes(
            _memory, new HostMappings(calls, options.Dialect, (nuint)pageSize), options.MaxSplits, options.MaxLocked);
        _requests = new RequestProcessor(
            _rules,
            new AttributePath(options, _memory, _rules, _attributes, _channels, clock),
            advice,
            _memory,
            Answer.Info(options.Dialect, pageSize));
        _transportLock = new Lock();
        _control = new Lock();
        _logLimit = new GuestLogLimit(options.MaxLogLines, clock);
        DeviceLog.Created(logger, options.Dialect.Name, options.Channels, options.MaxLocked, options.MaxSplits);
    }

    /// <summary>
    /// A guest's read from BAR 0. Fills <paramref name="data"/> from the register block, with zeros past it (protocol,
    /// "Registers").
    /// </summary>
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

    /// <summary>A guest's write to BAR 0 (protocol, "Registers"). A request is complete when this returns.</summary>
    /// <returns>False if the access means nothing to the device: it was counted and has changed nothing.</returns>
    public bool MmioWrite(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset == Registers.Command && data.Length == sizeof(uint))
        {
            uint command = BinaryPrimitives.ReadUInt32LittleEndian(data);
            return (command & Registers.ChannelBit) != 0 ? Request(command) : Transport(command);
        }

        return WritePayload(offset, data);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool Request(uint command)
    {
        if (_channels.Connected is { } connected && connected.Find(command) is { } channel &&
            _channels.TryReadLock(connected, channel, out int epoch))
        {
            // Records are written here, where nobody waits for this thread.
            RequestOutcome outcome = _requests.Serve(channel, connected, epoch);
            if (outcome == RequestOutcome.Answered)
            {
                return true;
            }

            if (outcome == RequestOutcome.Unanswered)
            {
                return LeaveUnanswered(channel);
            }
        }

        return IgnoreChannel(command);
    }

    private bool LeaveUnanswered(Channel channel)
    {
        Interlocked.Increment(ref _unansweredRequests);
        if (MayLog())
        {
            GuestRecords.Write(_logger, new NotAnsweredRecord(channel.BufferAddress));
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

    private bool WritePayload(ulong offset, ReadOnlySpan<byte> data)
    {
        switch (offset, data.Length)
        {
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

    private bool StorePayload(ulong mask, int shift, ulong value)
    {
        lock (_transportLock)
        {
            Volatile.Write(ref _payload, (_payload & ~(mask << shift)) | (value << shift));
        }

        return true;
    }

    /// <summary>Asks the limit, and reports what it had suppressed.</summary>
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
