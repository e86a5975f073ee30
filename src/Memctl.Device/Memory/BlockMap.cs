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
