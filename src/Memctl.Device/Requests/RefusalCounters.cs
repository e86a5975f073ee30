using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>
/// How often the device answered each of its own errors. Only a guest that does wrong writes these shared lines.
/// </summary>
internal sealed class RefusalCounters
{
    private const DeviceError Last = DeviceError.PAGEOUT_BUDGET;

    private readonly ulong[] _counts = new ulong[(int)Last + 1];

    internal void Count(DeviceError error) => Interlocked.Increment(ref _counts[(int)error]);

    internal ulong this[DeviceError error] => Volatile.Read(ref _counts[(int)error]);
}
