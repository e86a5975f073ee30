using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>The channels of a connected guest. Immutable but for their counters: a request takes it as it is.</summary>
public sealed class ChannelSet
{
    private readonly Channel[] _channels;
    private readonly Channel[] _byAddress;

    internal ChannelSet(Channel[] channels)
    {
        _channels = channels;
        _byAddress = [.. channels.OrderBy(channel => channel.BufferAddress)];
    }

    /// <summary>The channels in the order of their numbers.</summary>
    public ReadOnlySpan<Channel> Channels => _channels;

    /// <summary>Finds the channel that a command names, or null.</summary>
    public Channel? Find(uint command)
    {
        uint index = command - Registers.ChannelBit;
        Channel[] channels = _channels;
        return index < (uint)channels.Length ? channels[index] : null;
    }

    /// <summary>Whether a buffer has a byte in [start, end), both multiples of the page size.</summary>
    public bool HasBufferIn(ulong start, ulong end) => !WithBufferIn(start, end).IsEmpty;

    /// <summary>The channels whose buffer has a byte in [start, end), in the order of their buffers.</summary>
    internal ReadOnlySpan<Channel> WithBufferIn(ulong start, ulong end)
    {
        // A buffer that begins before the range reaches into it by less than its size.
        int first = FirstAtOrPast(start < Request.Size ? 0 : start - Request.Size + 1);
        int past = FirstAtOrPast(end);
        return _byAddress.AsSpan(first, past - first);
    }

    private int FirstAtOrPast(ulong address)
    {
        int low = 0;
        int high = _byAddress.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_byAddress[middle].BufferAddress < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
