using System.Runtime.CompilerServices;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>
/// All channels that a guest has ever registered, at most a fixed number, and the grace periods after which no request uses what
/// was taken away. For the device's transport path, one thread at a time; what any thread may call says so.
/// </summary>
/// <remarks>
/// Grace periods are those of sleepable RCU: a request is a read-side critical section (<see cref="TryReadLock"/> to
/// <see cref="Channel.ReadUnlock"/>), counted on its channel in the current of two epochs, and <see cref="Synchronize"/> waits
/// for all that began before it. A request leaves the section for a host call that may take as long as the guest likes (MLOCK),
/// so that nobody waits for that who need not.
/// </remarks>
public sealed class ChannelTable
{
    // Pinned, as it is large and stays: so it is made apart from what every request reads.
    private readonly Channel[] _made;
    private readonly Lock _gracePeriod = new();
    private int _madeCount;
    private int _epoch;
    private int _count;
    private ChannelSet? _connected;

    // The last connection, until no request of it can come back: longer than it is connected.
    private ChannelSet? _live;

    /// <summary>Makes an empty table.</summary>
    /// <param name="limit">How many channels a guest may register.</param>
    public ChannelTable(int limit) => _made = GC.AllocateArray<Channel>(limit, pinned: true);

    /// <summary>How many channels a guest may register.</summary>
    public int Limit => _made.Length;

    /// <summary>How many are registered. May be read by any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// The channels that a guest may make requests on; null while it is not connected. May be read by any thread.
    /// </summary>
    public ChannelSet? Connected => Volatile.Read(ref _connected);

    /// <summary>Every channel ever made, with its counters. May be read by any thread.</summary>
    public ReadOnlySpan<Channel> Made => _made.AsSpan(0, Volatile.Read(ref _madeCount));

    /// <summary>The command by which the guest names the channel that was registered last.</summary>
    public uint LastCommand => Registers.ChannelBit + (uint)_count - 1;

    /// <summary>Registers a buffer; false at the limit. The guest must not be connected.</summary>
    public bool TryAdd(ulong bufferAddress)
    {
        if (_count == Limit)
        {
            return false;
        }

        if (_count == _madeCount)
        {
            _made[_count] = new Channel();
            Volatile.Write(ref _madeCount, _count + 1);
        }

        _made[_count].BufferAddress = bufferAddress;
        Volatile.Write(ref _count, _count + 1);
        return true;
    }

    /// <summary>
    /// Lets the guest make requests on the channels that are registered. Not while another thread is in
    /// <see cref="LocateBuffers"/>.
    /// </summary>
    public void Connect()
    {
        foreach (Channel channel in Made[.._count])
        {
            channel.BufferHostAddress = 0;
        }

        var connected = new ChannelSet(Made[.._count].ToArray());
        Volatile.Write(ref _live, connected);
        Volatile.Write(ref _connected, connected);
    }

    /// <summary>
    /// Takes the channels away from the guest (protocol, "Transport commands"): no section begins any more. Those in progress go
    /// on, and a request that has left its section for a host call may still come back, until <see cref="Forget"/>.
    /// </summary>
    public void Disconnect() => Volatile.Write(ref _connected, null);

    /// <summary>
    /// Forgets the channels of a guest that was disconnected: when this returns, no section of theirs is in progress. The caller
    /// has waited for host calls in progress.
    /// </summary>
    public void Forget()
    {
        Synchronize();
        Volatile.Write(ref _live, null);
        Volatile.Write(ref _count, 0);
    }

    /// <summary>
    /// Looks up where buffers in [start, end) are mapped, so that a request need not. To be called whenever memory comes or,
    /// before <see cref="Synchronize"/>, goes, one thread at a time.
    /// </summary>
    public void LocateBuffers(GuestMemory memory, ulong start, ulong end)
    {
        if (Volatile.Read(ref _live) is { } live)
        {
            foreach (Channel channel in live.WithBufferIn(start, end))
            {
                channel.BufferHostAddress = memory.HostAddressOf(channel.BufferAddress, Request.Size);
            }
        }
    }

    /// <summary>
    /// Begins a read-side critical section, then checks that its channel is still the guest's: it may have been taken away, and
    /// its number given to another buffer, since the caller read <see cref="Connected"/>. May be called by any thread.
    /// </summary>
    /// <param name="connected">What the caller read.</param>
    /// <param name="channel">A channel of it.</param>
    /// <param name="epoch">For <see cref="Channel.ReadUnlock"/>.</param>
    /// <returns>False if it was taken away. Else it stays until the caller calls <see cref="Channel.ReadUnlock"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryReadLock(ChannelSet connected, Channel channel, out int epoch)
    {
        epoch = ReadLock(channel);
        if (Connected == connected)
        {
            return true;
        }

        channel.ReadUnlock(epoch);
        return false;
    }

    /// <summary>
    /// Begins a section on a channel that something else keeps from being forgotten. May be called by any thread.
    /// </summary>
    /// <returns>For <see cref="Channel.ReadUnlock"/>.</returns>
    public int ReadLock(Channel channel)
    {
        int epoch = Volatile.Read(ref _epoch);
        channel.ReadLock(epoch);
        return epoch;
    }

    /// <summary>
    /// Waits until every read-side critical section has ended that began before the call. Whatever was published before the call
    /// is what every section reads that is still in progress after it. May be called by any thread.
    /// </summary>
    /// <remarks>
    /// Each wait is for the epoch that new sections have just stopped using, so a stream of requests can't hold it up. Both
    /// epochs are waited for, because a request may have read its epoch before the previous change and been counted after it.
    /// </remarks>
    public void Synchronize()
    {
        lock (_gracePeriod)
        {
            if (Volatile.Read(ref _live) is not { } live)
            {
                return;
            }

            for (int round = 0; round < 2; round++)
            {
                int old = _epoch;
                Interlocked.Exchange(ref _epoch, 1 - old);
                foreach (Channel channel in live.Channels)
                {
                    var wait = new SpinWait();
                    while (!channel.IsQuiescent(old))
                    {
                        wait.SpinOnce();
                    }
                }
            }
        }
    }
}
