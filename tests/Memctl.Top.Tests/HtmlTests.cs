using Memctl.Top.Model;
using Memctl.Top.Views;

namespace Memctl.Top.Tests;

/// <summary>The page and the picture, in a real browser.</summary>
public sealed class HtmlTests
{
    private const ulong Mib = 1 << 20;

    [Fact]
    public void Page_OfEverything_ShowsEachStateInItsColourWithItsWord()
    {
        Sight seen = Browser.Open(HtmlReport.Page([Samples.Everything()]));
        Assert.Equal("rgb(255, 255, 255)", seen.Page);
        foreach ((ulong address, string kind, string fill) in new[]
        {
            (0ul, "resident", "rgb(84, 163, 255)"), (8ul, "huge", "rgb(5, 80, 174)"), (12ul, "swapped", "rgb(191, 57, 137)"),
            (14ul, "absent", "rgb(234, 238, 242)"), (16ul, "guarded", "rgb(207, 34, 46)"), (20ul, "read-only", "rgb(188, 76, 0)"),
            (24ul, "locked", "rgb(26, 127, 55)"), (28ul, "no-dump", "rgb(130, 80, 223)"),
            (32ul, "unmergeable", "rgb(14, 122, 136)"), (36ul, "named", "rgb(140, 149, 159)"),
        })
        {
            SeenCell cell = seen.At(address * Mib);
            Assert.Equal((kind, fill, true), (cell.Kind, cell.Fill, cell.Visible));
            Assert.Contains(kind, cell.Title, StringComparison.Ordinal);
            Assert.Contains($" {kind}\t", seen.Text, StringComparison.Ordinal);
        }

        foreach (string expected in new[]
        {
            "memctl-1234567", "12M\nresident on the host", "6M\ngiven back so far", "3 refused: DENIED",
            "DONTNEED\t1500\t2\t6M\t13",
        })
        {
            Assert.Contains(expected, seen.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Page_ForAReaderWhoPrefersDark_IsDark()
    {
        Sight seen = Browser.Open(HtmlReport.Page([Samples.Everything()]), dark: true);
        Assert.Equal("rgb(13, 17, 23)", seen.Page);
        Assert.Equal("rgb(248, 81, 73)", seen.At(16 * Mib).Fill);
    }

    [Fact]
    public void Page_OnATelephone_IsNotWiderThanItsWindow()
    {
        Sight seen = Browser.Open(HtmlReport.Page([Samples.Everything()]), width: 500);
        Assert.True(seen.Width <= seen.View, $"{seen.Width} in a window of {seen.View}");
    }

    [Fact]
    public void Page_OfMoments_ShowsTheLastAndAnyThatIsAskedFor()
    {
        Snapshot first = Samples.Everything();
        Snapshot last = first with { Totals = first.Totals with { Resident = 77 * Mib }, Time = first.Time.AddSeconds(1) };
        string page = HtmlReport.Page([first, last]);

        Sight seen = Browser.Open(page);
        Assert.Contains("Moment 2 of 2", seen.Text, StringComparison.Ordinal);
        Assert.Contains("77M\nresident on the host", seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Moment 1 of 2", seen.Text, StringComparison.Ordinal);

        seen = Browser.Open(page, address: "#0");
        Assert.Contains("Moment 1 of 2", seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Moment 2 of 2", seen.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_OfAVmThatCantBeSeen_SaysWhy()
    {
        Sight seen = Browser.Open(HtmlReport.Page([Samples.Nothing with { Name = "<b>dark</b>" }]));
        Assert.Contains("<b>dark</b>", seen.Text, StringComparison.Ordinal);
        Assert.Contains("Not seen: the VMM does not answer", seen.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_AndPicture_NameNothingOutside()
    {
        foreach (string text in new[] { HtmlReport.Page([Samples.Everything()]), SvgMap.Document([Samples.Everything()]) })
        {
            string others = text.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);
            Assert.DoesNotContain("http", others, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("url(", others, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(" src=", others, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void Picture_OfTwoMoments_IsXmlThatShowsBoth()
    {
        string picture = SvgMap.Document([Samples.Everything(), Samples.Everything()]);
        System.Xml.Linq.XDocument.Parse(picture);
        Sight seen = Browser.Open($"<!DOCTYPE html><html><body>{picture}</body></html>");
        Assert.Equal(2, seen.Cells.Count(cell =>
            cell.Title.StartsWith("0x001000000,", StringComparison.Ordinal) && cell.Kind == "guarded"));
        Assert.Contains("12M of 256M resident", seen.Text, StringComparison.Ordinal);
    }
}
