using System.Text;
using Memctl.Device;

namespace Memctl.Plugin;

/// <summary>Options as the C ABI passes them: UTF-8, not terminated.</summary>
internal static unsafe class OptionText
{
    private const nuint MaxBytes = 4096;

    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Copies options, which the caller owns until the export returns.</summary>
    /// <exception cref="DeviceException">They are null with a length, too long, or not UTF-8.</exception>
    internal static string Decode(byte* options, nuint length)
    {
        if ((options == null && length != 0) || length > MaxBytes)
        {
            throw new DeviceException(DeviceFault.InvalidArgument, $"Options are UTF-8 text of up to {MaxBytes} bytes.");
        }

        try
        {
            return _strictUtf8.GetString(new ReadOnlySpan<byte>(options, (int)length));
        }
        catch (DecoderFallbackException)
        {
            throw new DeviceException(DeviceFault.InvalidArgument, "The options are not UTF-8.");
        }
    }
}
