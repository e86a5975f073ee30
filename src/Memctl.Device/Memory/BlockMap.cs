using System.Numerics;

namespace Memctl.Device.Memory;

/// <summary>
/// Which blocks of a region are present, one bit each. Reads take no lock and may run beside a change; changes are for the
/// device's control path, one at a time. Block numbers are from 0.
/// </summary>
internal sealed class BlockMap(long blocks)
{
    private const int WordBits = 64;

    private readonly ulong[] _words = new ulong[(blocks + WordBits - 1) / WordBits];

    /// <summary>How many blocks there are, present or not.</summary>
    internal long Count => blocks;

    /// <summary>Whether all blocks of [first, end), which is not empty, are present, or all are absent.</summary>
    internal bool AllAre(bool present, long first, long end)
    {
        ulong[] words = _words;
        for (long word = first / WordBits; word <= (end - 1) / WordBits; word++)
        {
            ulong mask = MaskOf(word, first, end);
            if ((Volatile.Read(ref words[word]) & mask) != (present ? mask : 0))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The first block from <paramref name="first"/> on that is present, or that is absent; <see cref="Count"/> if there is none.
    /// </summary>
    internal long Next(bool present, long first)
    {
        for (long word = first / WordBits; word < _words.Length; word++)
        {
            ulong bits = Volatile.Read(ref _words[word]);
            bits = (present ? bits : ~bits) & MaskOf(word, first, blocks);
            if (bits != 0)
            {
                return (word * WordBits) + BitOperations.TrailingZeroCount(bits);
            }
        }

        return blocks;
    }

    /// <summary>Makes the blocks of [first, end), which is not empty, present or absent.</summary>
    internal void Set(bool present, long first, long end)
    {
        for (long word = first / WordBits; word <= (end - 1) / WordBits; word++)
        {
            ulong mask = MaskOf(word, first, end);
            Volatile.Write(ref _words[word], present ? _words[word] | mask : _words[word] & ~mask);
        }
    }

    /// <summary>The bits of a word that stand for blocks of [first, end).</summary>
    private static ulong MaskOf(long word, long first, long end)
    {
        long start = word * WordBits;
        ulong mask = first > start ? ulong.MaxValue << (int)(first - start) : ulong.MaxValue;
        return end - start < WordBits ? mask & ~(ulong.MaxValue << (int)(end - start)) : mask;
    }
}
