using System.Runtime.CompilerServices;

namespace Memctl.Device.Tests.Docs;

/// <summary>docs/protocol.md, read from the checkout that the tests were compiled in.</summary>
internal static class ProtocolPage
{
    /// <summary>The cells of each row of a section's tables, without their head. Backquotes around a cell are taken off.</summary>
    internal static IReadOnlyList<string[]> Rows(string section)
    {
        string[] lines = [.. File.ReadLines(Location())
            .SkipWhile(line => line != $"## {section}")
            .Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))];
        var rows = new List<string[]>();
        for (int index = 2; index < lines.Length; index++)
        {
            bool isBody = lines[index].StartsWith('|') && lines[index - 1].StartsWith('|');
            if (isBody && !lines[index].StartsWith("|--", StringComparison.Ordinal))
            {
                rows.Add([.. lines[index].Split('|')[1..^1].Select(cell => cell.Trim().Trim('`'))]);
            }
        }

        Assert.NotEmpty(rows);
        return rows;
    }

    private static string Location([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "../../../docs/protocol.md");
}
