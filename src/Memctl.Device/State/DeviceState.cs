using Memctl.Device.Attributes;

namespace Memctl.Device.State;

/// <summary>State of the connection of a guest driver (protocol, "States"). The numbers are part of saved states.</summary>
public enum TransportState : byte
{
    Disconnected = 0,
    Registering = 1,
    Ready = 2,
}

/// <summary>
/// Everything about a device that a guest could notice if it were lost (protocol, "Attributes"). No host address is in it: a
/// saved state may be read by whoever stores it.
/// </summary>
/// <param name="Dialect">Name of the dialect that the guest's driver was given.</param>
/// <param name="PageSize">The host's page size in bytes, as INFO reported it to the guest.</param>
/// <param name="Transport">State of the connection.</param>
/// <param name="Payload">What the payload register reads.</param>
/// <param name="BufferAddresses">
/// Guest-physical addresses of the channels' buffers, in the order of the channels' numbers.
/// </param>
/// <param name="Attributes">What the guest has set on its memory.</param>
public sealed record DeviceState(
    string Dialect,
    ulong PageSize,
    TransportState Transport,
    ulong Payload,
    IReadOnlyList<ulong> BufferAddresses,
    IReadOnlyList<AttributeExtent> Attributes);
