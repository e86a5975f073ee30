using System.Text;

namespace Memctl.Plugin;

/// <summary>The message of each thread's last failed call, for <c>last_error</c>.</summary>
internal static class LastError
{
    [ThreadStatic]
    private static byte[]? _message;

    /// <summary>Keeps a message for the calling thread.</summary>
    internal static void Set(string message) => _message = Encoding.UTF8.GetBytes(message);

    /// <summary>Keeps a message that exists already, for when there may be no memory for another.</summary>
    internal static void Set(byte[] message) => _message = message;

    /// <summary>Copies the message, terminated, as far as it fits.</summary>
    /// <returns>The message's whole length in bytes without the terminator.</returns>
    internal static int CopyTo(Span<byte> buffer)
    {
        ReadOnlySpan<byte> message = _message;
        if (!buffer.IsEmpty)
        {
            int length = Math.Min(message.Length, buffer.Length - 1);
            message[..length].CopyTo(buffer);
            buffer[length] = 0;
        }

        return message.Length;
    }
}
