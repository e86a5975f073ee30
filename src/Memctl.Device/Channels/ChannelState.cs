using System.Runtime.InteropServices;

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

/// <summary>
/// What each request reads and writes in its channel, with more than a cache line of room on either side: vCPUs that use different
/// channels write no common line.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct ChannelState
{
    /// <summary>Read-side critical sections in progress that began in an even epoch.</summary>
    [FieldOffset(128)]
    public int EvenReaders;

    /// <summary>Those that began in an odd epoch.</summary>
    [FieldOffset(132)]
    public int OddReaders;

    [FieldOffset(136)]
    public ulong BufferAddress;

    [FieldOffset(144)]
    public nuint BufferHostAddress;
}
