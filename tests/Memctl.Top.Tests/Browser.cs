using System.Diagnostics;
using System.Text.Json;

namespace Memctl.Top.Tests;

/// <summary>Chromium without a window. It opens a page and reports what is to be seen there: text, colours, places.</summary>
internal static class Browser
{
    /// <summary>
    /// Runs in the page, when the page's own script has run: the text that is visible, and each cell that can be pointed at.
    /// </summary>
    private const string Look = """
        <script>
        const cells = [];
        for (const rect of document.querySelectorAll("svg rect")) {
          const box = rect.getBoundingClientRect();
          if (box.width === 0) continue;
          scrollTo(0, scrollY + box.top - 200);
          const at = rect.getBoundingClientRect();
          const top = document.elementFromPoint(at.left + 1.5, at.top + 1.5);
          cells.push({
            kind: rect.getAttribute("class"), fill: getComputedStyle(rect).fill, title: rect.textContent,
            visible: top === rect, left: box.left, right: box.right,
          });
        }
        const seen = {
          text: document.body.innerText, cells, page: getComputedStyle(document.body).backgroundColor,
          width: document.documentElement.scrollWidth, view: innerWidth,
        };
        document.body.textContent = "";
        document.body.dataset.seen = JSON.stringify(seen);
        </script>
        """;

    private static readonly string[] _programs = ["chromium-headless-shell", "chromium", "google-chrome"];

    private static readonly string? _program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .SelectMany(folder => _programs.Select(program => Path.Combine(folder, program))).FirstOrDefault(File.Exists);

    /// <summary>Opens a page.</summary>
    /// <param name="html">The page.</param>
    /// <param name="dark">Whether the reader prefers dark.</param>
    /// <param name="width">Of the window, in pixels.</param>
    /// <param name="address">What stands behind the page's address.</param>
    internal static Sight Open(string html, bool dark = false, int width = 1000, string address = "")
    {
        Assert.True(_program is not null, "There is no Chromium: install the Debian package chromium-headless-shell.");
        DirectoryInfo folder = Directory.CreateTempSubdirectory("memctl-page-");
        try
        {
            string page = Path.Combine(folder.FullName, "page.html");
            File.WriteAllText(page, html.Replace("</body>", Look + "</body>", StringComparison.Ordinal));
            using Process browser = Process.Start(new ProcessStartInfo(_program!,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
                $"--user-data-dir={folder.FullName}/profile", $"--blink-settings=preferredColorScheme={(dark ? 0 : 1)}",
                $"--window-size={width},900", "--dump-dom", $"file://{page}{address}",
            ])
            { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = browser.StandardError.ReadToEndAsync();
            string dom = browser.StandardOutput.ReadToEnd();
            browser.WaitForExit();
            int start = dom.IndexOf("data-seen=\"", StringComparison.Ordinal) + "data-seen=\"".Length;
            Assert.True(start > 20, $"The page's script did not run: {errors.Result}");
            string seen = System.Net.WebUtility.HtmlDecode(dom[start..dom.IndexOf('"', start)]);
            return JsonSerializer.Deserialize<Sight>(seen, JsonSerializerOptions.Web)!;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

/// <summary>What there is to be seen of a page.</summary>
/// <param name="Text">What is visible of its text.</param>
/// <param name="Cells">Rectangles of maps and legend that are not hidden.</param>
/// <param name="Page">Colour of the background.</param>
/// <param name="Width">Of the page, in pixels.</param>
/// <param name="View">Of the window, in pixels.</param>
internal sealed record Sight(string Text, IReadOnlyList<SeenCell> Cells, string Page, double Width, double View)
{
    /// <summary>The cell of the map at a guest-physical address.</summary>
    internal SeenCell At(ulong address) =>
        Cells.Single(cell => cell.Title.StartsWith($"0x{address:x9},", StringComparison.Ordinal));
}

/// <summary>A rectangle.</summary>
/// <param name="Kind">Its class.</param>
/// <param name="Fill">Its colour.</param>
/// <param name="Title">What pointing at it shows.</param>
/// <param name="Visible">Whether nothing is in front of it.</param>
internal sealed record SeenCell(string Kind, string Fill, string Title, bool Visible);
