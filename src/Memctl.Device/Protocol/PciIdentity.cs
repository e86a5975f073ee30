namespace Memctl.Device.Protocol;

/// <summary>
/// The PCI function that a guest's driver binds to (protocol, "PCI identity"). VMMs read it through <c>pci_identity</c> of the C
/// ABI.
/// </summary>
public static class PciIdentity
{
    public const ushort VendorId = 0x1ae0;

    public const ushort DeviceId = 0x0087;

    public const ushort SubsystemVendorId = 0x1ae0;

    public const ushort SubsystemId = 0x011f;

    /// <summary>Base system peripheral.</summary>
    public const byte BaseClass = 0x08;

    /// <summary>Other system peripheral.</summary>
    public const byte Subclass = 0x80;

    public const byte ProgrammingInterface = 0x00;

    public const byte Revision = 0x01;

    /// <summary>Bytes of BAR 0: one page, so that a hypervisor traps each access to it and to nothing else.</summary>
    public const ulong BarSize = 4096;
}
