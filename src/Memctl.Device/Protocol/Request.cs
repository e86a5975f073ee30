using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Memctl.Device.Protocol;

/// <summary>
/// A request as the guest filled it in (<c>memctl_vmm_call</c>), laid out as there: nothing in it is to be trusted.
/// </summary>
/// <param name="FuncCode">Which function, in the numbers of the dialect.</param>
/// <param name="Addr">Guest-physical address of the range, or of the list of ranges.</param>
/// <param name="Length">Bytes, of the range or of the list.</param>
/// <param name="Arg">A number for SET_VMA_ANON_NAME; ignored otherwise.</param>
public readonly record struct Request(ulong FuncCode, ulong Addr, ulong Length, ulong Arg)
{
    /// <summary>Bytes of a buffer, for the request and the answer alike.</summary>
    public const int Size = 32;

    /// <summary>This bit of <c>func_code</c> asks for the function on a list of ranges (protocol, "Lists of ranges").</summary>
    public const ulong ListBit = 1ul << 63;

    /// <summary>Whether the request carries a list.</summary>
    public bool IsList => (FuncCode & ListBit) != 0;

    /// <summary>The bytes of a request, <see cref="Size"/> of them, to copy a buffer into, which is little-endian.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Span<byte> Bytes(ref Request request) => MemoryMarshal.AsBytes(new Span<Request>(ref request));

    /// <summary>The request with the bytes of each field reversed, for a big-endian host.</summary>
    public Request Reversed() => new(
        BinaryPrimitives.ReverseEndianness(FuncCode),
        BinaryPrimitives.ReverseEndianness(Addr),
        BinaryPrimitives.ReverseEndianness(Length),
        BinaryPrimitives.ReverseEndianness(Arg));
}
