namespace Memctl.Device;

/// <summary>A counter or a gauge, as the VMM's monitoring sees it.</summary>
/// <param name="Name">At most 39 ASCII characters, unique within a device.</param>
/// <param name="Value">Now.</param>
public readonly record struct DeviceCounter(string Name, ulong Value);

/// <summary>Takes counters one after the other.</summary>
public interface ICounterSink
{
    /// <summary>Takes one.</summary>
    void Add(string name, ulong value);
}
