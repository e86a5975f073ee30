using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Functions;

namespace Memctl.Device.Channels;

/// <summary>What was asked of one function on one channel.</summary>
internal struct FunctionCounters
{
    /// <summary>Requests answered.</summary>
    public ulong Requests;

    /// <summary>Those answered with an errno.</summary>
    public ulong Errors;

    /// <summary>Bytes that the others acted on.</summary>
    public ulong Bytes;
}

/// <summary>The counters of every function, at its <see cref="Function.Index"/>.</summary>
[InlineArray(FunctionTable.Count)]
internal struct ChannelCounters
{
    private FunctionCounters _first;
}

/// <summary>Read-side critical sections in progress, by the epoch in which they began: even and odd.</summary>
[InlineArray(2)]
internal struct ReaderCounts
{
    private int _even;
}

/// <summary>
/// What each request reads and writes in its channel, with more than a cache line of room on either side: vCPUs that use
/// different channels write no common line.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = ChannelState.Room + 24 + (FunctionTable.Count * 24) + ChannelState.Room)]
internal struct ChannelState
{
    internal const int Room = 128;

    [FieldOffset(Room)]
    public ReaderCounts Readers;

    [FieldOffset(Room + 8)]
    public ulong BufferAddress;

    [FieldOffset(Room + 16)]
    public nuint BufferHostAddress;

    [FieldOffset(Room + 24)]
    public ChannelCounters Counters;
}
