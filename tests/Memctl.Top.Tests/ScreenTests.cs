using Memctl.Top.Live;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Spectre.Console.Testing;

namespace Memctl.Top.Tests;

/// <summary>Keys and what the screen shows then.</summary>
public sealed class ScreenTests
{
    private const ulong Page = 4096;

    private static Vmm Vm { get; } = new(4711, "vm", null);

    [Fact]
    public void TwoVms_EnterAndEscape_GoToTheMapAndBack()
    {
        Screen screen = Showing(Samples.Everything("one"), Samples.Everything("two"));
        Assert.Contains("REQ/S", TextOf(screen), StringComparison.Ordinal);
        Press(screen, ConsoleKey.DownArrow);
        Press(screen, ConsoleKey.Enter);
        Assert.Contains("two  pid", TextOf(screen), StringComparison.Ordinal);
        Assert.Contains("RRRRRRRR", TextOf(screen), StringComparison.Ordinal);
        Press(screen, ConsoleKey.Escape);
        Assert.Contains("REQ/S", TextOf(screen), StringComparison.Ordinal);
        Press(screen, ConsoleKey.Q);
        Assert.True(screen.IsOver);
    }

    [Fact]
    public void Map_ZoomAndScroll_AskForOtherMemory()
    {
        Screen screen = Showing(Samples.Everything());
        MapWindow all = screen.WindowOf(Vm);
        Assert.Equal((0ul, ulong.MaxValue, 0ul), (all.Start, all.End, all.CellBytes));

        ulong cell = Samples.Everything().Map!.CellBytes;
        Assert.True(Press(screen, ConsoleKey.OemPlus, '+'));
        MapWindow zoomed = screen.WindowOf(Vm);
        Assert.Equal((0ul, cell / 4), (zoomed.Start, zoomed.CellBytes));
        Assert.Equal(zoomed.CellBytes * MemoryMap.Columns * (ulong)zoomed.MaxRows, zoomed.End);

        Assert.True(Press(screen, ConsoleKey.DownArrow));
        Assert.Equal(zoomed.CellBytes * MemoryMap.Columns, screen.WindowOf(Vm).Start);
        Assert.True(Press(screen, ConsoleKey.PageUp));
        Assert.Equal(0ul, screen.WindowOf(Vm).Start);
        Assert.True(Press(screen, ConsoleKey.D0, '0'));
        Assert.Equal(all, screen.WindowOf(Vm));
    }

    [Fact]
    public void Zoom_WithoutEnd_StopsAtAPage()
    {
        Screen screen = Showing(Samples.Everything());
        for (int count = 0; count < 20; count++)
        {
            Press(screen, ConsoleKey.OemPlus, '+');
        }

        Assert.True(screen.WindowOf(Vm).CellBytes >= Page);
    }

    [Fact]
    public void AnyTerminal_OfEightyColumns_IsNotOverrun()
    {
        foreach (int height in new[] { 10, 24, 60 })
        {
            Screen screen = Showing(Samples.Everything());
            screen.Height = height;
            foreach (ConsoleKey key in new[] { ConsoleKey.NoName, ConsoleKey.N, ConsoleKey.Escape })
            {
                Press(screen, key);
                Assert.All(TextOf(screen).Split('\n'), line => Assert.InRange(line.TrimEnd().Length, 0, 80));
            }
        }
    }

    [Fact]
    public void Names_OnKeyN_AreListed()
    {
        Screen screen = Showing(Samples.Everything());
        Assert.DoesNotContain("memctl-1234567", TextOf(screen), StringComparison.Ordinal);
        Press(screen, ConsoleKey.N);
        Assert.Contains("memctl-1234567", TextOf(screen), StringComparison.Ordinal);
    }

    private static Screen Showing(params Snapshot[] vms)
    {
        var screen = new Screen(Page);
        screen.Show(vms);
        return screen;
    }

    private static bool Press(Screen screen, ConsoleKey key, char character = '\0') =>
        screen.Press(new ConsoleKeyInfo(character, key, shift: false, alt: false, control: false));

    private static string TextOf(Screen screen)
    {
        using var console = new TestConsole();
        console.Profile.Width = 80;
        console.Write(screen.Render());
        return console.Output;
    }
}
