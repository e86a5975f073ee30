using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>
/// How often the device answered each of its own errors. Only a guest that does wrong writes these shared lines.
/// </summary>
internal sealed class RefusalCounters
{
    private const DeviceError Last = DeviceError.PAGEOUT_BUDGET;

    private static readonly string[] _names = [.. Enum.GetValues<DeviceError>().Select(error => $"refused_{error}")];

    private readonly ulong[] _counts = new ulong[(int)Last + 1];

    internal void Count(DeviceError error) => Interlocked.Increment(ref _counts[(int)error]);

    internal void Read<TSink>(ref TSink sink)
        where TSink : ICounterSink, allows ref struct
    {
        for (int error = 1; error < _counts.Length; error++)
        {
            sink.Add(_names[error], Volatile.Read(ref _counts[error]));
        }
    }
}
