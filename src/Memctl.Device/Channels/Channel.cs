using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>A guest CPU's way to the device: where its buffer is, and what it has asked for. Made once for each number and used again after RESET.</summary>
public sealed class Channel
{
    private ChannelCounters _counters;

    /// <summary>Guest-physical address of the buffer. Set while the channel is not connected.</summary>
    public ulong BufferAddress { get; internal set; }

    /// <summary>Whether the buffer has a byte in [start, end), both multiples of the page size.</summary>
    public bool HasBufferIn(ulong start, ulong end) => BufferAddress < end && BufferAddress + Request.Size > start;

    /// <summary>Counts a request that was answered. Several threads may share a channel, so every step is atomic.</summary>
    /// <param name="code">The function code, known to the dialect.</param>
    /// <param name="bytes">The length that it acted on.</param>
    /// <param name="failed">Whether the answer has an errno.</param>
    public void Count(int code, ulong bytes, bool failed)
    {
        Interlocked.Increment(ref _counters.Requests[code]);
        if (failed)
        {
            Interlocked.Increment(ref _counters.Errors[code]);
        }
        else if (bytes != 0)
        {
            Interlocked.Add(ref _counters.Bytes[code], bytes);
        }
    }

    /// <summary>Adds this channel's counters to sums.</summary>
    public void AddTo(ref PerFunction requests, ref PerFunction errors, ref PerFunction bytes)
    {
        for (int code = 0; code < Dialect.MaxFunctions; code++)
        {
            requests[code] += Volatile.Read(ref _counters.Requests[code]);
            errors[code] += Volatile.Read(ref _counters.Errors[code]);
            bytes[code] += Volatile.Read(ref _counters.Bytes[code]);
        }
    }

    /// <summary>Announces a request in one of the two counts; see <see cref="ChannelTable.TryEnter"/>. May be called by any thread.</summary>
    public void Enter(int parity) => Interlocked.Increment(ref Active(parity));

    /// <summary>Ends a request that <see cref="ChannelTable.TryEnter"/> let in. May be called by any thread.</summary>
    public void Leave(int parity) => Interlocked.Decrement(ref Active(parity));

    internal bool IsQuiet(int parity) => Volatile.Read(ref Active(parity)) == 0;

    private ref int Active(int parity)
    {
        if (parity == 0)
        {
            return ref _counters.ActiveEven;
        }

        return ref _counters.ActiveOdd;
    }
}
