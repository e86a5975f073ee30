namespace Memctl.Device.Protocol;

/// <summary>
/// The 32-bit values that a driver stores to, and reads from, the command register.
/// Spelled as on the wire (protocol, "Transport commands"). Values with the top bit set are channels.
/// </summary>
public enum TransportCommand : uint
{
    RESET = 0x060F_E6D2,
    REGISTER = 0x0E35_9539,
    READY = 0x0CA8_D227,
    DISCONNECT = 0x030F_5DA0,
    ACK = 0x03CF_5196,
    ERROR = 0x01FB_A249,
}
