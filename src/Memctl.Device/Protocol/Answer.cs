using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Functions;

namespace Memctl.Device.Protocol;

/// <summary>
/// An answer, laid out as <c>memctl_vmm_ret</c> (protocol, "Requests"). Every byte of the buffer is written: what has no meaning
/// is zero. Four words, so that the compiler keeps them in registers until they are written.
/// </summary>
/// <param name="Status">ret_errno, a Linux errno or 0, in the low half; ret_code, the device's own, in the high one.</param>
/// <param name="RetValue">Function-specific.</param>
/// <param name="Arg0">Function-specific.</param>
/// <param name="Arg1">Function-specific.</param>
public readonly record struct Answer(ulong Status, ulong RetValue, ulong Arg0, ulong Arg1)
{
    /// <summary>The protocol's major version, as INFO reports it (protocol, "Versions").</summary>
    public const uint MajorVersion = 1;

    /// <summary>The minor version of a dialect with lists of ranges, as INFO reports it; 0 without.</summary>
    public const uint ListsMinorVersion = 1;

    /// <summary>
    /// The answer to INFO in the layout of the dialect (protocol, "Function codes" and "Dialect pvmemcontrol").
    /// </summary>
    /// <param name="dialect">Which layout.</param>
    /// <param name="pageSize">The host's page size in bytes.</param>
    public static Answer Info(Dialect dialect, ulong pageSize)
    {
        ulong minor = dialect.HasLists ? ListsMinorVersion : 0u;
        return dialect.HasCommonInfo
            ? new Answer(0, pageSize, MajorVersion, minor)
            : new Answer(0, BitConverter.IsLittleEndian ? 0u : 1u, MajorVersion | (minor << 32), pageSize);
    }

    /// <summary>Whether it tells of an error.</summary>
    public bool IsError => (uint)Status != 0;

    /// <summary>The errno of the host's system call.</summary>
    /// <param name="errno">Of the call, or 0.</param>
    /// <param name="done">Entries of a list that were carried out.</param>
    public static Answer FromHost(int errno, int done = 0) => new((uint)errno, (uint)done, 0, 0);

    /// <summary>What the device itself refuses.</summary>
    /// <param name="errno">Which errno.</param>
    /// <param name="code">See <see cref="DeviceError"/>.</param>
    /// <param name="done">Entries of a list that were carried out before.</param>
    public static Answer Refusal(int errno, uint code, int done) => new((uint)errno | ((ulong)code << 32), (uint)done, 0, 0);

    /// <summary>
    /// The bytes of an answer, <see cref="Request.Size"/> of them, to copy into a buffer, which is little-endian.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReadOnlySpan<byte> Bytes(ref readonly Answer answer) => MemoryMarshal.AsBytes(new ReadOnlySpan<Answer>(in answer));

    /// <summary>The answer with the bytes of each word reversed, for a big-endian host.</summary>
    public Answer Reversed() => new(
        BinaryPrimitives.ReverseEndianness(Status),
        BinaryPrimitives.ReverseEndianness(RetValue),
        BinaryPrimitives.ReverseEndianness(Arg0),
        BinaryPrimitives.ReverseEndianness(Arg1));
}
