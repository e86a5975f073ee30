using System.Buffers.Text;
using System.Text;
using Memctl.Device.Attributes;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Host;

/// <summary>The independent parts of <see cref="PageAttributes"/>, each set by a host call of its own.</summary>
public enum AttributeKind
{
    Protection,
    Lock,
    Dump,
    Merging,
    Name,
}

/// <summary>Makes the kernel's mapping of a piece of guest RAM have the attributes that are wanted.</summary>
/// <param name="calls">The kernel.</param>
/// <param name="dialect">Gives names their prefix.</param>
/// <param name="pageSize">The host's, in bytes.</param>
public sealed class HostMappings(IHostCalls calls, Dialect dialect, nuint pageSize)
{
    private readonly byte[] _namePrefix = Encoding.ASCII.GetBytes(dialect.Name + "-");

    /// <summary>The kinds, in the order in which a page's attributes are put on: access last, so that locking can populate.</summary>
    public static ReadOnlySpan<AttributeKind> Kinds =>
        [AttributeKind.Merging, AttributeKind.Dump, AttributeKind.Name, AttributeKind.Lock, AttributeKind.Protection];

    /// <summary>Whether closed pages are held readable for the VMM; see <c>hold_readable</c> of the C ABI.</summary>
    public bool HoldReadable { get; set; }

    /// <summary>The part of a page's attributes that a function sets.</summary>
    public static AttributeKind KindOf(Function function) => function switch
    {
        Function.MLOCK or Function.MUNLOCK => AttributeKind.Lock,
        Function.DONTDUMP => AttributeKind.Dump,
        Function.MERGEABLE or Function.UNMERGEABLE => AttributeKind.Merging,
        Function.SET_VMA_ANON_NAME => AttributeKind.Name,
        _ => AttributeKind.Protection,
    };

    /// <summary>Gives the kernel one part of the wanted attributes for a whole piece.</summary>
    /// <returns>0, or the errno of the call.</returns>
    public int Set(Piece piece, AttributeKind kind, PageAttributes wanted)
    {
        PrepareToSplit(piece);
        nuint address = piece.HostAddress;
        nuint length = (nuint)piece.Length;
        RegionTraits traits = piece.Region.Traits;
        return kind switch
        {
            AttributeKind.Protection => calls.Protect(address, length, Effective(wanted.Protection)),
            AttributeKind.Lock => wanted.Locked ? calls.Lock(address, length) : calls.Unlock(address, length),
            AttributeKind.Dump => calls.Advise(address, length,
                wanted.DontDump || traits.HasFlag(RegionTraits.DontDump) ? MemoryAdvice.DontDump : MemoryAdvice.DoDump),
            AttributeKind.Merging => calls.Advise(address, length,
                wanted.Merging == Merging.Mergeable ||
                (wanted.Merging == Merging.AsRegistered && traits.HasFlag(RegionTraits.Mergeable))
                    ? MemoryAdvice.Mergeable : MemoryAdvice.Unmergeable),
            _ => SetName(address, length, wanted.Name),
        };
    }

    /// <summary>
    /// Writes to one page of a region before its mapping is split for the first time. Private memory gets its anon_vma so, which
    /// every part then shares; parts that got one each could never merge again, and a guest could make mappings that no
    /// budget counts. Kernels before 5.14 lack the advice: there, a region that the guest has never touched stays open to that.
    /// </summary>
    private void PrepareToSplit(Piece piece)
    {
        if (!piece.Region.IsReadyToSplit)
        {
            int errno = calls.Advise(piece.HostAddress, pageSize, MemoryAdvice.PopulateWrite);
            piece.Region.IsReadyToSplit = errno is 0 or Errno.EINVAL;
        }
    }

    private MemoryProtection Effective(MemoryProtection protection) =>
        HoldReadable && protection == MemoryProtection.None ? MemoryProtection.Read : protection;

    private int SetName(nuint address, nuint length, ulong name)
    {
        if (name == 0)
        {
            return calls.Name(address, length, []);
        }

        // The longest prefix, the 20 digits of the greatest number and the terminator.
        Span<byte> text = stackalloc byte[40];
        _namePrefix.CopyTo(text);
        Utf8Formatter.TryFormat(name, text[_namePrefix.Length..], out int digits);
        int end = _namePrefix.Length + digits;
        text[end] = 0;
        return calls.Name(address, length, text[..(end + 1)]);
    }
}
