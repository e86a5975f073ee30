using Memctl.Top.Model;
using Memctl.Top.Views;
using Spectre.Console.Testing;

namespace Memctl.Top.Tests;

/// <summary>What a terminal of 80 columns, or none, shows.</summary>
public sealed class TextTests
{
    [Fact]
    public void Page_WithoutColour_HasALetterForEveryState()
    {
        string text = TextOf([Samples.Everything()]);
        string row = text.Split('\n').Single(line => line.Contains("0x002000000", StringComparison.Ordinal));
        Assert.Contains("UUUU............NNNNNNNN", row, StringComparison.Ordinal);
        row = text.Split('\n').Single(line => line.Contains("0x000000000", StringComparison.Ordinal));
        Assert.Contains(new string('R', 32) + new string('H', 16) + new string('S', 8), row, StringComparison.Ordinal);
        row = text.Split('\n').Single(line => line.Contains("0x001000000", StringComparison.Ordinal));
        Assert.Contains("GGGG............WWWW............LLLL............DDDD", row, StringComparison.Ordinal);
        foreach (string expected in new[]
        {
            "memctl-1234567", "memctl-12", "RAM 256M", "resident 12M", "huge 4M", "swapped 2M", "given back 6M",
            "splits 12 of 16k", "DENIED 3", "locked 1M of 256M",
        })
        {
            Assert.Contains(expected, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Text_WithoutTerminal_FitsEightyColumnsAndHasNoEscapes()
    {
        Snapshot longName = Samples.Everything("a name of more than it has room for");
        foreach (Snapshot[] vms in new Snapshot[][] { [Samples.Everything()], [longName, Samples.Nothing], [] })
        {
            string text = TextOf(vms);
            Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd().Length, 0, 80));
            Assert.DoesNotContain('\u001b', text);
        }
    }

    [Fact]
    public void Table_OfSeveralVms_HasAllFiguresAndSaysWhatIsNotSeen()
    {
        string text = TextOf([Samples.Everything("web"), Samples.Nothing]);
        string row = text.Split('\n').Single(line => line.StartsWith("web", StringComparison.Ordinal));
        Assert.Equal(
            ["web", "4711", "256M", "12M", "2M", "6M", "1M", "1M", "1M", "0%", "13", "3"],
            row.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("dark: not seen: the VMM does not answer", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(999, "999B")]
    [InlineData(1000, "1.0K")]
    [InlineData(4096, "4K")]
    [InlineData(1ul << 20, "1M")]
    [InlineData((1ul << 20) - 1, "1.0M")]
    [InlineData(12_900_000, "12.3M")]
    [InlineData(64ul << 30, "64G")]
    [InlineData(ulong.MaxValue, "16E")]
    public void Bytes_OfAnySize_TakeFiveCharacters(ulong bytes, string expected) => Assert.Equal(expected, Figures.Bytes(bytes));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.04, "0.0")]
    [InlineData(9.96, "10")]
    [InlineData(999.6, "1.0k")]
    [InlineData(16384, "16k")]
    [InlineData(2.5e9, "2.5G")]
    public void Count_OfAnySize_TakesFiveCharacters(double count, string expected) =>
        Assert.Equal(expected, Figures.Count(count));

    private static string TextOf(IReadOnlyList<Snapshot> vms)
    {
        using var console = new TestConsole();
        console.Profile.Width = 80;
        console.Write(TextReport.Render(vms));
        return console.Output;
    }
}
