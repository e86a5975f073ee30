namespace Memctl.Device.Protocol;

/// <summary>The register block at the start of BAR 0 (protocol, "Registers"). Offsets and widths in bytes.</summary>
public static class Registers
{
    /// <summary>
    /// Written: <c>buf_phys_addr</c>, in one access of 8 or two of 4. Read: a new channel's command, or what was stored.
    /// </summary>
    public const ulong Payload = 0x0;

    /// <summary>The high half of <see cref="Payload"/>.</summary>
    public const ulong PayloadHigh = 0x4;

    /// <summary>Written: a transport command or a channel's command. Read: ACK or ERROR.</summary>
    public const ulong Command = 0x8;

    /// <summary>The block with its padding; what lies past it in the BAR reads as 0.</summary>
    public const int BlockSize = 16;

    /// <summary>A command with this bit set names a channel; no transport command has it.</summary>
    public const uint ChannelBit = 0x8000_0000;
}
