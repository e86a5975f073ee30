namespace Memctl.Top.Model;

/// <summary>Guest-physical memory as cells of equal size. Cells without RAM are left out.</summary>
/// <param name="CellBytes">Bytes of addresses that one cell stands for, a power of two.</param>
/// <param name="Cells">Sorted by address.</param>
internal sealed record MemoryMap(ulong CellBytes, IReadOnlyList<Cell> Cells)
{
    /// <summary>Cells in a row: as many as an address and they fit into 80 columns.</summary>
    internal const int Columns = 64;

    /// <summary>Bytes of addresses in a row.</summary>
    internal ulong RowBytes => CellBytes * Columns;

    /// <summary>The rows that have RAM: the address at which each starts, and its cells.</summary>
    internal IEnumerable<(ulong Address, IReadOnlyList<Cell> Cells)> Rows()
    {
        for (int first = 0, next; first < Cells.Count; first = next)
        {
            ulong row = Cells[first].Address / RowBytes;
            for (next = first + 1; next < Cells.Count && Cells[next].Address / RowBytes == row; next++)
            {
            }

            yield return (row * RowBytes, [.. Cells.Skip(first).Take(next - first)]);
        }
    }
}

/// <summary>What part of guest-physical memory to draw, and how fine.</summary>
/// <param name="Start">First guest-physical address of interest.</param>
/// <param name="End">Past the last one.</param>
/// <param name="MaxRows">Rows of <see cref="MemoryMap.Columns"/> cells that there is room for, at least 1.</param>
/// <param name="CellBytes">Size of a cell, a power of two; 0: the smallest with which all of it has room.</param>
internal readonly record struct MapWindow(ulong Start, ulong End, int MaxRows, ulong CellBytes = 0)
{
    /// <summary>All memory.</summary>
    internal static MapWindow All(int maxRows) => new(0, ulong.MaxValue, maxRows);
}
