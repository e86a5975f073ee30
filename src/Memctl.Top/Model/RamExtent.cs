using Memctl.Top.Reading;

namespace Memctl.Top.Model;

/// <summary>Guest RAM without a gap.</summary>
/// <param name="Address">Guest-physical, of its first byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct RamExtent(ulong Address, ulong Length)
{
    internal ulong End => Address + Length;

    /// <summary>Segments, sorted, with neighbours joined.</summary>
    internal static IReadOnlyList<RamExtent> Of(IReadOnlyList<RamSegment> segments)
    {
        var extents = new List<RamExtent>();
        foreach (RamSegment segment in segments)
        {
            if (extents is [.., var last] && last.End == segment.GuestAddress)
            {
                extents[^1] = last with { Length = last.Length + segment.Length };
            }
            else
            {
                extents.Add(new RamExtent(segment.GuestAddress, segment.Length));
            }
        }

        return extents;
    }

    /// <summary>
    /// The address of the row with RAM that is <paramref name="rows"/> rows with RAM on from an address, or back; the last or
    /// first one at the ends.
    /// </summary>
    /// <param name="ram">Guest RAM, sorted.</param>
    /// <param name="address">In or between rows.</param>
    /// <param name="rows">How far; negative: back.</param>
    /// <param name="rowBytes">Addresses of a row, a power of two.</param>
    internal static ulong RowAt(IReadOnlyList<RamExtent> ram, ulong address, long rows, ulong rowBytes)
    {
        // Rows with RAM, each counted once though two extents may share one.
        long number = 0;
        long wanted = -1;
        ulong last = ulong.MaxValue;
        for (int pass = 0; pass < 2; pass++)
        {
            number = 0;
            last = ulong.MaxValue;
            foreach (RamExtent extent in ram)
            {
                ulong first = extent.Address / rowBytes;
                first += first == last ? 1u : 0;
                ulong end = ((extent.End - 1) / rowBytes) + 1;
                if (first >= end)
                {
                    continue;
                }

                if (pass == 0 && address / rowBytes < end)
                {
                    wanted = Math.Max(0, number + (long)(Math.Max(address / rowBytes, first) - first) + rows);
                    break;
                }

                if (pass == 1 && wanted < number + (long)(end - first))
                {
                    return (first + (ulong)(wanted - number)) * rowBytes;
                }

                number += (long)(end - first);
                last = end - 1;
            }

            wanted = wanted < 0 ? Math.Max(0, number - 1 + Math.Min(rows, 0)) : wanted;
        }

        return last == ulong.MaxValue ? 0 : last * rowBytes;
    }
}
