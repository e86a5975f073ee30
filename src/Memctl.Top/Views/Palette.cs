using Spectre.Console;

namespace Memctl.Top.Views;

/// <summary>
/// Colours of marks. A terminal's own 16, so that they suit its background; HTML and SVG have theirs in map.css.
/// </summary>
internal static class Palette
{
    /// <summary>The style of a mark's letter on a terminal.</summary>
    internal static Style Of(Mark mark) => mark.Letter switch
    {
        'G' => new Style(Color.White, Color.Maroon),
        'W' => new Style(Color.Black, Color.Olive),
        'L' => new Style(Color.Black, Color.Green),
        'D' => new Style(Color.White, Color.Purple),
        'U' => new Style(Color.Black, Color.Teal),
        'N' => new Style(Color.Black, Color.Silver),
        'S' => new Style(Color.Fuchsia),
        'H' => new Style(Color.Aqua, decoration: Decoration.Bold),
        'R' => new Style(Color.Blue, decoration: Decoration.Bold),
        _ => new Style(Color.Grey),
    };
}
