using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The exports that vCPU threads call. native/include/memctl_plugin.h is their contract.</summary>
[SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status and a message.")]
internal static unsafe class MmioExports
{
    /// <summary>Maximum width of one access of a processor to a device.</summary>
    private const nuint MaxBytes = 8;

    [UnmanagedCallersOnly(EntryPoint = "mmio_read", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint MmioRead(memctl_device* handle, ulong offset, byte* data, nuint length)
    {
        if (data == null || length - 1 >= MaxBytes)
        {
            return AbiError.InvalidArgument("mmio_read takes a place for 1 to 8 bytes.");
        }

        // The caller owns data, of this length, until the return.
        var bytes = new Span<byte>(data, (int)length);
        try
        {
            if (!DeviceHandles.TryFind(handle, out MemctlDevice? device))
            {
                bytes.Clear();
                return AbiError.InvalidHandle();
            }

            device.MmioRead(offset, bytes);
            return MemctlAbi.MEMCTL_OK;
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }

    // The language demands that each local is assigned before it is read: the whole of a request, which is inlined here, needs no
    // zeros on its stack.
    [SkipLocalsInit]
    [UnmanagedCallersOnly(EntryPoint = "mmio_write", CallConvs = [typeof(CallConvCdecl)])]
    internal static uint MmioWrite(memctl_device* handle, ulong offset, byte* data, nuint length)
    {
        if (data == null || length - 1 >= MaxBytes)
        {
            return AbiError.InvalidArgument("mmio_write takes 1 to 8 bytes.");
        }

        try
        {
            if (!DeviceHandles.TryFind(handle, out MemctlDevice? device))
            {
                return AbiError.InvalidHandle();
            }

            // The caller owns data, of this length, until the return.
            return device.MmioWrite(offset, new ReadOnlySpan<byte>(data, (int)length))
                ? MemctlAbi.MEMCTL_OK
                : MemctlAbi.MEMCTL_IGNORED_ACCESS;
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }
}
