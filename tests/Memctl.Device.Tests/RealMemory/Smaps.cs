using System.Globalization;

namespace Memctl.Device.Tests.RealMemory;

/// <summary>One mapping of this process as the kernel tells of it.</summary>
/// <param name="Start">First address.</param>
/// <param name="End">Address past the last.</param>
/// <param name="Access">As in maps, <c>rw-p</c>.</param>
/// <param name="Name">File or name, or nothing.</param>
/// <param name="Kilobytes">The fields in kB.</param>
/// <param name="Flags">VmFlags: lo locked, dd not dumped, mg mergeable.</param>
internal sealed record Vma(
    ulong Start, ulong End, string Access, string Name, IReadOnlyDictionary<string, ulong> Kilobytes, IReadOnlyList<string> Flags);

/// <summary>Reads /proc/self/smaps and pagemap.</summary>
internal static class Smaps
{
    /// <summary>The mappings that lie in [address, address + length).</summary>
    internal static List<Vma> Of(nuint address, nuint length)
    {
        var found = new List<Vma>();
        ulong start = 0;
        ulong end = 0;
        string access = "";
        string name = "";
        var kilobytes = new Dictionary<string, ulong>();
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':'))
            {
                string[] range = words[0].Split('-');
                start = ulong.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                end = ulong.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                access = words[1];
                name = words.Length > 5 ? words[5] : "";
                kilobytes = [];
            }
            else if (words[0] == "VmFlags:")
            {
                if (start < address + length && end > address)
                {
                    found.Add(new Vma(start, end, access, name, kilobytes, words[1..]));
                }
            }
            else if (words.Length == 3)
            {
                kilobytes[words[0].TrimEnd(':')] = ulong.Parse(words[1], CultureInfo.InvariantCulture);
            }
        }

        return found;
    }

    /// <summary>The mapping that holds this address.</summary>
    internal static Vma At(nuint address) => Assert.Single(Of(address, 1));

    internal static ulong Kilobytes(nuint address, nuint length, string field) =>
        Of(address, length).Aggregate(0ul, (sum, vma) => sum + vma.Kilobytes[field]);

    /// <summary>Whether this page is in memory (bit 63 of its pagemap entry).</summary>
    internal static bool IsPresent(nuint address)
    {
        using FileStream pagemap = File.OpenRead("/proc/self/pagemap");
        pagemap.Seek((long)(address / 4096) * 8, SeekOrigin.Begin);
        byte[] entry = new byte[8];
        pagemap.ReadExactly(entry);
        return (entry[7] & 0x80) != 0;
    }
}
