using System.Runtime.CompilerServices;

namespace Memctl.Device.Tests.Docs;

/// <summary>A document of the checkout that the tests were compiled in.</summary>
/// <param name="Path">From the top of the checkout.</param>
internal sealed record Document(string Path)
{
    internal static Document Protocol { get; } = new("docs/protocol.md");

    internal static Document Options { get; } = new("docs/options.md");

    internal static Document Readme { get; } = new("README.md");

    /// <summary>
    /// The cells of each row of a section's tables, without their head. Backquotes around a cell are taken off. A section without
    /// a name is what stands before the first.
    /// </summary>
    internal IReadOnlyList<string[]> Rows(string section)
    {
        string[] lines = Lines(section);
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

    /// <summary>A section's text in one line.</summary>
    internal string Text(string section) => string.Join(' ', Lines(section));

    private string[] Lines(string section) =>
    [
        .. File.ReadLines(System.IO.Path.Combine(Top(), Path))
            .SkipWhile(line => section.Length > 0 && line != $"## {section}")
            .Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal)),
    ];

    private static string Top([CallerFilePath] string here = "") =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(here)!, "../../..");
}
