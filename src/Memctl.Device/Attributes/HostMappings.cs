using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Text;
using Memctl.Device.Functions;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Attributes;

/// <summary>
/// Makes the kernel's mappings of guest RAM have the attributes that are wanted. The caller's lock serialises the calls.
/// </summary>
/// <param name="calls">The kernel.</param>
/// <param name="dialect">Gives names their prefix.</param>
/// <param name="pageSize">The host's, in bytes.</param>
public sealed class HostMappings(IHostCalls calls, Dialect dialect, nuint pageSize)
{
    // The longest prefix, the 20 digits of the greatest number and the terminator.
    private const int MaxNameBytes = 40;

    private readonly byte[] _namePrefix = Encoding.ASCII.GetBytes(dialect.Name + "-");

    /// <summary>
    /// Access that the VMM keeps to every page, whatever the guest has set; see <c>keep_readable</c> of the C ABI.
    /// </summary>
    public MemoryProtection Kept { get; set; }

    /// <summary>
    /// Writes to one page of each region before its mapping is split for the first time. Private memory gets its anon_vma so,
    /// which every part then shares; parts that got one each could never merge again, and a guest could make mappings that no
    /// budget counts. Kernels before 5.14 lack the advice: there, a region that the guest has never touched stays open to that.
    /// </summary>
    public void PrepareToSplit(RegionMap map, ulong address, ulong length)
    {
        foreach (MemoryRegion region in map.RegionsOf(address, length))
        {
            if (!region.IsReadyToSplit)
            {
                int errno = calls.Advise(
                    region.HostAddressOf(Math.Max(address, region.GuestAddress)), pageSize, MemoryAdvice.PopulateWrite);
                region.IsReadyToSplit = errno is 0 or Errno.EINVAL;
            }
        }
    }

    /// <summary>Makes a change to the mapping of a whole segment.</summary>
    /// <returns>0, or the errno of the call.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Set(MemorySegment segment, AttributeChange change)
    {
        PageAttributes wanted = change.Value;
        nuint address = segment.HostAddress;
        nuint length = (nuint)segment.Length;
        return change.Kind switch
        {
            AttributeKind.Protection => calls.Protect(address, length, Effective(wanted.Protection)),
            AttributeKind.Lock => wanted.Locked ? calls.Lock(address, length) : calls.Unlock(address, length),
            AttributeKind.Dump => calls.Advise(address, length,
                wanted.DontDump || segment.Traits.HasFlag(RegionTraits.DontDump) ? MemoryAdvice.DontDump : MemoryAdvice.DoDump),
            AttributeKind.Merging => calls.Advise(address, length,
                wanted.Merging == Merging.Mergeable ||
                (wanted.Merging == Merging.AsRegistered && segment.Traits.HasFlag(RegionTraits.Mergeable))
                    ? MemoryAdvice.Mergeable : MemoryAdvice.Unmergeable),
            _ => SetName(address, length, wanted.Name),
        };
    }

    /// <summary>The same for a range that guest RAM covers, segment by segment; an error does not stop it.</summary>
    /// <returns>0, or the errno of the first call that failed.</returns>
    public int SetAll(RegionMap map, ulong start, ulong end, AttributeChange change)
    {
        int first = 0;
        foreach (MemorySegment segment in map.Segments(start, end - start))
        {
            int errno = Set(segment, change);
            first = first != 0 ? first : errno;
        }

        // A name is for the eyes of an operator: a kernel built without names is no reason to lose a guest that comes from
        // elsewhere, nor to fail its reset.
        return change.Kind == AttributeKind.Name && first == Errno.EINVAL ? 0 : first;
    }

    private MemoryProtection Effective(MemoryProtection protection) => protection | Kept;

    private int SetName(nuint address, nuint length, ulong name)
    {
        if (name == 0)
        {
            return calls.Name(address, length, []);
        }

        Span<byte> text = stackalloc byte[MaxNameBytes];
        _namePrefix.CopyTo(text);
        Utf8Formatter.TryFormat(name, text[_namePrefix.Length..], out int digits);
        int end = _namePrefix.Length + digits;
        text[end] = 0;
        return calls.Name(address, length, text[..(end + 1)]);
    }
}
