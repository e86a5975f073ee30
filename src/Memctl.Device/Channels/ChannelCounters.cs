using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Protocol;

namespace Memctl.Device.Channels;

/// <summary>One number for each function code of a dialect.</summary>
[InlineArray(Dialect.MaxFunctions)]
public struct PerFunction
{
    private ulong _first;
}

/// <summary>
/// What a channel writes on every request, with more than a cache line of room on either side: vCPUs that use different
/// channels write no common line.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 640)]
internal struct ChannelCounters
{
    /// <summary>Requests in progress that entered in an even grace period.</summary>
    [FieldOffset(128)]
    public int ActiveEven;

    /// <summary>Requests in progress that entered in an odd grace period.</summary>
    [FieldOffset(132)]
    public int ActiveOdd;

    [FieldOffset(136)]
    public PerFunction Requests;

    [FieldOffset(256)]
    public PerFunction Errors;

    [FieldOffset(376)]
    public PerFunction Bytes;
}
