using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>The channels of a connected guest. Immutable but for their counters: a request takes it as it is.</summary>
public sealed class ChannelSet
{
    private readonly Channel[] _channels;

    internal ChannelSet(Channel[] channels) => _channels = channels;

    /// <summary>The channels in the order of their numbers.</summary>
    public ReadOnlySpan<Channel> Channels => _channels;

    /// <summary>Finds the channel that a command names, or null.</summary>
    public Channel? Find(uint command)
    {
        uint index = command - Registers.ChannelBit;
        Channel[] channels = _channels;
        return index < (uint)channels.Length ? channels[index] : null;
    }

    /// <summary>Whether a connected buffer has a byte in [start, end).</summary>
    public bool HasBufferIn(ulong start, ulong end)
    {
        foreach (Channel channel in _channels)
        {
            if (channel.HasBufferIn(start, end))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>
/// All channels that a guest has ever registered, at most a fixed number, and the grace periods that tell when no request is
/// using what was taken away from it. For the device's control path, one thread at a time.
/// </summary>
public sealed class ChannelTable(int limit)
{
    private readonly List<Channel> _made = [];
    private int _parity;
    private int _count;

    /// <summary>How many channels a guest may register.</summary>
    public int Limit => limit;

    /// <summary>How many are registered. May be read by any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Which of a channel's two counts of requests in progress a new request goes into. Read by any thread.</summary>
    internal int Parity => Volatile.Read(ref _parity);

    /// <summary>Every channel ever made, with its counters.</summary>
    public IReadOnlyList<Channel> Made => _made;

    /// <summary>Registers a buffer; false at the limit. No request may be in progress.</summary>
    public bool TryAdd(ulong bufferAddress)
    {
        if (_count == limit)
        {
            return false;
        }

        if (_count == _made.Count)
        {
            _made.Add(new Channel());
        }

        _made[_count].BufferAddress = bufferAddress;
        Volatile.Write(ref _count, _count + 1);
        return true;
    }

    /// <summary>The command by which the guest names the channel that was registered last.</summary>
    public uint LastCommand => Registers.ChannelBit + (uint)_count - 1;

    /// <summary>Forgets the registered channels.</summary>
    public void Clear() => Volatile.Write(ref _count, 0);

    /// <summary>The registered channels.</summary>
    public ChannelSet Connect() => new([.. _made.Take(_count)]);

    /// <summary>
    /// Waits until every request has ended that began before the call. Whatever was published before the call is what every
    /// request sees that is still running after it.
    /// </summary>
    /// <remarks>
    /// As sleepable RCU does: a request announces itself in one of two counts, then reads what is published. Each wait is for
    /// the count that new requests have just stopped using, so a stream of requests can't hold it up. Both counts are
    /// waited for, because a request may have chosen its count before the previous change and announced itself after it.
    /// </remarks>
    public void WaitForRequests()
    {
        for (int round = 0; round < 2; round++)
        {
            int old = _parity;
            Interlocked.Exchange(ref _parity, 1 - old);
            foreach (Channel channel in _made)
            {
                var wait = new SpinWait();
                while (!channel.IsQuiet(old))
                {
                    wait.SpinOnce();
                }
            }
        }
    }
}
