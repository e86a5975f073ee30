using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Options;
using Memctl.Device.Protocol;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The exports that need no device. native/include/memctl_plugin.h is their contract.</summary>
internal static unsafe class LibraryExports
{
    [UnmanagedCallersOnly(EntryPoint = "abi_version", CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong AbiVersion()
    {
        OpenRandomSource();
        return ((ulong)MemctlAbi.MEMCTL_ABI_MAGIC << 32) | MemctlAbi.MEMCTL_ABI_VERSION;
    }

    /// <summary>
    /// The transition into managed code has attached the thread before the first instruction here. attach_thread.c calls it.
    /// </summary>
    [UnmanagedCallersOnly(EntryPoint = "attach_managed_thread", CallConvs = [typeof(CallConvCdecl)])]
    internal static void AttachThread()
    {
    }

    [UnmanagedCallersOnly(EntryPoint = "last_error", CallConvs = [typeof(CallConvCdecl)])]
    internal static nuint GetLastError(byte* buffer, nuint capacity) =>
        (nuint)LastError.CopyTo(buffer == null ? [] : new Span<byte>(buffer, (int)Math.Min(capacity, int.MaxValue)));

    [UnmanagedCallersOnly(EntryPoint = "pci_identity", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint GetPciIdentity(memctl_pci_identity* identity)
    {
        if (identity == null || ((nuint)identity & 7) != 0)
        {
            return AbiError.InvalidArgument("pci_identity takes an aligned identity structure.");
        }

        if (identity->size < sizeof(memctl_pci_identity))
        {
            return AbiError.InvalidSize(nameof(memctl_pci_identity), identity->size, sizeof(memctl_pci_identity));
        }

        // The caller owns the structure. Its size stays as it is: a later caller's extra fields are not written.
        identity->vendor_id = PciIdentity.VendorId;
        identity->device_id = PciIdentity.DeviceId;
        identity->subsystem_vendor_id = PciIdentity.SubsystemVendorId;
        identity->subsystem_id = PciIdentity.SubsystemId;
        identity->base_class = PciIdentity.BaseClass;
        identity->subclass = PciIdentity.Subclass;
        identity->programming_interface = PciIdentity.ProgrammingInterface;
        identity->revision = PciIdentity.Revision;
        identity->bar_size = PciIdentity.BarSize;
        return MemctlAbi.MEMCTL_OK;
    }

    [UnmanagedCallersOnly(EntryPoint = "check_options", CallConvs = [typeof(CallConvCdecl)])]
    [SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status.")]
    internal static uint CheckOptions(byte* options, nuint optionsLength)
    {
        try
        {
            OptionParser.Parse(OptionText.Decode(options, optionsLength));
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }

    /// <summary>
    /// The runtime's source of random numbers, which formatting a log record draws on, opens /dev/urandom on first use. A
    /// sandbox may forbid that later; this call comes before there is one.
    /// </summary>
    private static void OpenRandomSource() => _ = Random.Shared.Next();
}
