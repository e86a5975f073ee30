using System.Diagnostics.CodeAnalysis;
using Memctl.Device;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>
/// The frame of every export that finds a device and is not on a guest's path: handle to device, exception to status. The
/// guest's path (<see cref="MmioExports"/>) has its own, without a delegate.
/// </summary>
internal static unsafe class DeviceCall
{
    /// <summary>Calls <paramref name="body"/>, which captures nothing, with the device of a handle.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "No exception may cross the C ABI; each becomes a status.")]
    internal static uint Run<TArguments>(memctl_device* handle, TArguments arguments, Func<MemctlDevice, TArguments, uint> body)
        where TArguments : allows ref struct
    {
        try
        {
            return DeviceHandles.TryFind(handle, out MemctlDevice? device) ? body(device, arguments) : AbiError.InvalidHandle();
        }
        catch (Exception exception)
        {
            return AbiError.From(exception);
        }
    }

    /// <summary>The same for a body that succeeds unless it throws.</summary>
    internal static uint Run<TArguments>(memctl_device* handle, TArguments arguments, Action<MemctlDevice, TArguments> body) =>
        Run(handle, (arguments, body), static (device, call) =>
        {
            call.body(device, call.arguments);
            return MemctlAbi.MEMCTL_OK;
        });
}
