using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>
/// All channels that a guest has ever registered, at most a fixed number, and the grace periods that tell when no request is
/// using what was taken away from it. For the device's control path, one thread at a time; what any thread may call says so.
/// </summary>
public sealed class ChannelTable(int limit)
{
    private readonly List<Channel> _made = [];
    private int _parity;
    private int _count;
    private ChannelSet? _connected;

    /// <summary>How many channels a guest may register.</summary>
    public int Limit => limit;

    /// <summary>How many are registered. May be read by any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The channels that a guest may make requests on; null while it is not connected. May be read by any thread.</summary>
    public ChannelSet? Connected => Volatile.Read(ref _connected);

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

    /// <summary>Lets the guest make requests on the channels that are registered.</summary>
    public void Connect() => Volatile.Write(ref _connected, new ChannelSet([.. _made.Take(_count)]));

    /// <summary>Takes the channels away from the guest. When it returns, nothing writes to their buffers any more.</summary>
    public void Disconnect()
    {
        Volatile.Write(ref _connected, null);
        WaitForRequests();
        Volatile.Write(ref _count, 0);
    }

    /// <summary>
    /// Announces a request, then looks whether its channel is still the guest's: it may have been taken away, and its number given
    /// to another buffer, since the caller read <see cref="Connected"/>. May be called by any thread.
    /// </summary>
    /// <param name="connected">What the caller read.</param>
    /// <param name="channel">A channel of it.</param>
    /// <param name="parity">For <see cref="Channel.Leave"/>.</param>
    /// <returns>False if it was taken away. Else it stays until the caller calls <see cref="Channel.Leave"/>.</returns>
    public bool TryEnter(ChannelSet connected, Channel channel, out int parity)
    {
        parity = Volatile.Read(ref _parity);
        channel.Enter(parity);
        if (Connected == connected)
        {
            return true;
        }

        channel.Leave(parity);
        return false;
    }

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
