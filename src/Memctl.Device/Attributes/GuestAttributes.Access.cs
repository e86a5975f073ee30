using Memctl.Device.Host;
using Memctl.Device.Memory;

namespace Memctl.Device.Attributes;

/// <content>The access that the VMM has to pages that the guest protected.</content>
public sealed partial class GuestAttributes
{
    /// <summary>Sets the access that the VMM keeps to every page, and makes the kernel's mappings so.</summary>
    /// <returns>0, or the errno of the first call that failed; the rest was tried all the same.</returns>
    public int Keep(MemoryProtection access)
    {
        MemoryProtection before;
        lock (_data)
        {
            before = mappings.Kept;
            mappings.Kept = access;
            if (NextProtected(0).Start == ulong.MaxValue && (_callStart == _callEnd || _call.Kind != AttributeKind.Protection))
            {
                return 0;
            }
        }

        lock (_calls)
        {
            RegionMap map = memory.Map;
            int first = 0;
            for (ulong next = 0; next < ulong.MaxValue;)
            {
                AttributeExtent stretch = NextProtected(next);
                bool differs = ((before | access) & ~stretch.Attributes.Protection) != 0;
                var change = new AttributeChange(AttributeKind.Protection, stretch.Attributes);
                int errno = stretch.Start < stretch.End && differs ? mappings.SetAll(map, stretch.Start, stretch.End, change) : 0;
                first = first != 0 ? first : errno;
                next = stretch.End;
            }

            return first;
        }
    }

    /// <summary>Reverts the protection of the extent that contains an address, or of all of guest RAM.</summary>
    /// <param name="guestAddress">The address; null for all.</param>
    /// <param name="opened">How many bytes are accessible now that were not.</param>
    /// <returns>0, or the errno of the first call that failed; the rest was tried all the same.</returns>
    public int Open(ulong? guestAddress, out ulong opened)
    {
        lock (_calls)
        {
            RegionMap map = memory.Map;
            opened = 0;
            int first = 0;
            ulong end = ulong.MaxValue;
            ulong next = 0;
            if (guestAddress is { } address)
            {
                AttributeExtent extent = _map.ExtentAround(address);
                (next, end) = (extent.Start, extent.End);
            }

            while (next < end)
            {
                AttributeExtent stretch = NextProtected(next);
                ulong to = Math.Min(stretch.End, end);
                if (stretch.Start < to)
                {
                    int errno = Revert(map, AttributeKind.Protection, stretch.Start, to, forget: false);
                    opened += errno == 0 ? to - stretch.Start : 0;
                    first = first != 0 ? first : errno;
                }

                next = to;
            }

            return first;
        }
    }

    /// <summary>
    /// The next stretch from an address on with one protection of the guest's, neighbours joined; empty, at the end of all
    /// memory, if there is none. Its other attributes are those of its first page.
    /// </summary>
    private AttributeExtent NextProtected(ulong address)
    {
        AttributeExtent stretch = new(ulong.MaxValue, ulong.MaxValue, default);
        while (address < ulong.MaxValue)
        {
            AttributeExtent extent = _map.ExtentAt(address, ulong.MaxValue);
            if (stretch.Start == ulong.MaxValue)
            {
                stretch = extent.Attributes.Has(AttributeKind.Protection) ? extent : stretch;
            }
            else if (extent.Attributes.Protection == stretch.Attributes.Protection)
            {
                stretch = stretch with { End = extent.End };
            }
            else
            {
                break;
            }

            address = extent.End;
        }

        return stretch;
    }
}
