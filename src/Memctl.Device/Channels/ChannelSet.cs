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
