namespace Memctl.Device.Channels;

/// <summary>A request's read-side critical section, which it may leave and begin again. On the stack of one thread.</summary>
/// <param name="channel">Where the request came in.</param>
/// <param name="epoch">Of the section that the caller has begun.</param>
internal ref struct ReadSection(Channel channel, int epoch)
{
    private int _epoch = epoch;
    private bool _isOpen = true;

    /// <summary>Begins it again. Something else must keep the channel from being forgotten.</summary>
    internal void Begin(ChannelTable channels)
    {
        _epoch = channels.ReadLock(channel);
        _isOpen = true;
    }

    /// <summary>Ends it, if it has not ended.</summary>
    internal void End()
    {
        if (_isOpen)
        {
            channel.ReadUnlock(_epoch);
            _isOpen = false;
        }
    }
}
