using System.Globalization;

namespace Memctl.Top.Reading;

/// <summary>A mapping of a process as /proc/PID/smaps describes it; from /proc/PID/maps, the bytes are 0.</summary>
/// <param name="Start">Address of its first byte.</param>
/// <param name="End">Address past the last byte.</param>
/// <param name="Shared">Whether a write goes to the file, not to a page of the process's own.</param>
/// <param name="Offset">Of the first byte in the mapped file.</param>
/// <param name="Inode">Of the mapped file, 0 for none.</param>
/// <param name="Huge">Bytes on huge pages.</param>
/// <param name="Hugetlb">Whether all pages are huge ones of hugetlbfs.</param>
internal sealed record Mapping(
    ulong Start, ulong End, bool Shared, ulong Offset, ulong Inode, ulong Huge = 0, bool Hugetlb = false);

/// <summary>Reads /proc/PID/maps and /proc/PID/smaps.</summary>
internal static class MappingFile
{
    private static readonly string[] _hugeFields = ["AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:"];

    /// <summary>The mappings that have a byte in [start, end), in order.</summary>
    internal static List<Mapping> Read(IEnumerable<string> lines, ulong start, ulong end)
    {
        var mappings = new List<Mapping>();
        bool wanted = false;
        foreach (string line in lines)
        {
            if (IsField(line))
            {
                if (wanted)
                {
                    mappings[^1] = WithField(mappings[^1], line);
                }

                continue;
            }

            Mapping mapping = Parse(line);
            wanted = mapping.Start < end && start < mapping.End;
            if (wanted)
            {
                mappings.Add(mapping);
            }
        }

        return mappings;
    }

    /// <summary>A field starts with a capital letter, a mapping with a hexadecimal digit in lower case.</summary>
    private static bool IsField(string line) => char.IsAsciiLetterUpper(line[0]);

    /// <summary><c>7f0000000000-7f0020000000 rw-s 00000000 00:01 2051  /memfd:ram (deleted)</c></summary>
    private static Mapping Parse(string line)
    {
        ReadOnlySpan<char> text = line;
        Span<Range> words = stackalloc Range[6];
        text.Split(words, ' ', StringSplitOptions.RemoveEmptyEntries);
        ReadOnlySpan<char> range = text[words[0]];
        int dash = range.IndexOf('-');
        return new Mapping(
            Hexadecimal(range[..dash]),
            Hexadecimal(range[(dash + 1)..]),
            text[words[1]][3] == 's',
            Hexadecimal(text[words[2]]),
            ulong.Parse(text[words[4]], NumberStyles.None, CultureInfo.InvariantCulture));
    }

    private static ulong Hexadecimal(ReadOnlySpan<char> text) =>
        ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static Mapping WithField(Mapping mapping, string line)
    {
        if (line.StartsWith("VmFlags:", StringComparison.Ordinal))
        {
            return line.Split(' ').Contains("ht") ? mapping with { Hugetlb = true } : mapping;
        }

        return Array.Exists(_hugeFields, field => line.StartsWith(field, StringComparison.Ordinal))
            ? mapping with { Huge = mapping.Huge + Kilobytes(line) }
            : mapping;
    }

    private static ulong Kilobytes(string line)
    {
        ReadOnlySpan<char> number = line.AsSpan(line.IndexOf(':') + 1)[..^" kB".Length].Trim();
        return ulong.Parse(number, NumberStyles.None, CultureInfo.InvariantCulture) * 1024;
    }
}
