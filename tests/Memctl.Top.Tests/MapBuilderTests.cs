using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;

namespace Memctl.Top.Tests;

/// <summary>Pages and attributes, sorted into cells, names and totals.</summary>
public sealed class MapBuilderTests
{
    private const ulong Page = 4096;
    private const ulong Gib = 1ul << 30;

    [Fact]
    public void Ram_WithAHole_HasCellsOnlyWhereItIs()
    {
        RamSegment[] ram = [new(0, 3 * Gib, 0x7f00_0000_0000), new(4 * Gib, Gib, 0x7f00_c000_0000)];
        MapBuilder builder = Filled(ram, [], MapWindow.All(32), PageKind.Resident);
        MemoryMap map = builder.Map;
        Assert.Equal(4 * Gib, builder.Totals.Resident);
        Assert.Equal(2 * 1024 * 1024ul, map.CellBytes);
        Assert.Equal(2048, map.Cells.Count);
        Assert.Equal(32, map.Rows().Count());
        Assert.Equal(4 * Gib, map.Rows().ElementAt(24).Address);
        Assert.All(map.Cells, cell => Assert.Equal((map.CellBytes, map.CellBytes), (cell.Ram, cell.Resident)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(48)]
    public void Ram_OfAnySize_HasRoomInTheRowsAskedFor(int rows)
    {
        RamSegment[] ram =
        [
            new(Page, 5 * Page, 0x1000), new(1 << 20, (37 << 20) + Page, 0x100_0000), new(1ul << 36, 3 * Gib, 0x4000_0000),
        ];
        MemoryMap map = Filled(ram, [], MapWindow.All(rows), PageKind.Absent).Map;
        int taken = map.Rows().Count();
        Assert.InRange(taken, 1, rows);
        Assert.Equal(
            ram.Aggregate(0ul, (sum, segment) => sum + segment.Length), map.Cells.Aggregate(0ul, (sum, cell) => sum + cell.Ram));
    }

    [Fact]
    public void Attributes_OfPartOfACell_CountWithTheirPages()
    {
        RamSegment[] ram = [new(0, 64 * Page, 0x10_0000)];
        AttributeExtent[] attributes =
        [
            new(2 * Page, Page, "none"), new(3 * Page, 2 * Page, Locked: true, Name: 7),
            new(9 * Page, 3 * Page, Name: 7, Dontdump: true), new(20 * Page, Page, Mergeable: false, Name: ulong.MaxValue),
            new(30 * Page, Page, "r", Mergeable: true),
        ];
        var builder = new MapBuilder(ram, attributes, Page, new MapWindow(0, ulong.MaxValue, 1, 4 * Page));
        builder.Add(0, 4 * Page, PageKind.Resident);
        builder.Add(4 * Page, 10 * Page, PageKind.Resident | PageKind.Huge);
        builder.Add(10 * Page, 11 * Page, PageKind.Swapped);
        builder.Add(11 * Page, 64 * Page, PageKind.Absent);

        Amounts totals = builder.Totals;
        Assert.Equal((64 * Page, 10 * Page, 6 * Page, Page), (totals.Ram, totals.Resident, totals.Huge, totals.Swapped));
        Assert.Equal((Page, 2 * Page, 3 * Page), (totals.Guarded, totals.Locked, totals.NoDump));
        Assert.Equal((Page, Page, 6 * Page), (totals.Unmergeable, totals.ReadOnly, totals.Named));

        NameTotal seven = builder.Names[0];
        Assert.Equal((7ul, 5 * Page, 3 * Page, Page), (seven.Name, seven.Ram, seven.Resident, seven.Swapped));
        Assert.Equal(ulong.MaxValue, builder.Names[1].Name);

        Assert.Equal("glD", new string([.. builder.Map.Cells.Take(3).Select(Mark.LetterOf)]));
        Assert.Equal(7ul, builder.Map.Cells[2].Name);
    }

    [Fact]
    public void Window_OfAPart_HasCellsThereAndTotalsOfAll()
    {
        RamSegment[] ram = [new(0, Gib, 0x10_0000)];
        MapBuilder builder = Filled(ram, [], new MapWindow(512 * Page, 1024 * Page, 8), PageKind.Resident);
        Assert.Equal(Gib, builder.Totals.Ram);
        Assert.Equal(Page, builder.Map.CellBytes);
        Assert.Equal((512, 512 * Page), (builder.Map.Cells.Count, builder.Map.Cells[0].Address));
    }

    [Fact]
    public void RowAt_OverHoles_CountsRowsWithRamAlone()
    {
        RamExtent[] ram = [new(0, 100), new(100, 50), new(4096, 64), new(4096 + 80, 200)];
        ulong[] rows =
        [
            .. ram.SelectMany(extent => Enumerable.Range(0, (int)extent.Length)
                .Select(at => (extent.Address + (ulong)at) / 64 * 64)).Distinct(),
        ];
        for (int from = 0; from < rows.Length; from++)
        {
            for (int steps = -10; steps <= 10; steps++)
            {
                Assert.Equal(rows[Math.Clamp(from + steps, 0, rows.Length - 1)], RamExtent.RowAt(ram, rows[from] + 5, steps, 64));
            }
        }

        Assert.Equal(4096ul, RamExtent.RowAt(ram, 2000, 0, 64));
        Assert.Equal(rows[^1], RamExtent.RowAt(ram, 1 << 20, 0, 64));
    }

    private static MapBuilder Filled(RamSegment[] ram, AttributeExtent[] attributes, MapWindow window, PageKind kind)
    {
        var builder = new MapBuilder(ram, attributes, Page, window);
        foreach (RamSegment segment in ram)
        {
            builder.Add(segment.GuestAddress, segment.End, kind);
        }

        return builder;
    }
}
