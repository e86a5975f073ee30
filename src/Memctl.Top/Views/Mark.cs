using Memctl.Top.Model;

namespace Memctl.Top.Views;

/// <summary>What a cell of the map shows: one letter, one colour, one meaning, in every view.</summary>
/// <param name="Letter">Upper case; a lower-case letter says that it holds for less than half of the cell.</param>
/// <param name="Word">For the legend and as a class in HTML and SVG.</param>
/// <param name="Meaning">A sentence for someone who has read no manual.</param>
/// <param name="Bytes">The bytes of a cell for which it holds.</param>
internal sealed record Mark(char Letter, string Word, string Meaning, Func<Amounts, ulong> Bytes)
{
    /// <summary>What the cell shows that has nothing else to show.</summary>
    internal static Mark Absent { get; } = new(
        '.', "absent", "No memory behind it: never touched, or given back to the host.", static cell => cell.Ram);

    /// <summary>All, the one that is shown first in front: what the guest has set, before where the memory is.</summary>
    internal static IReadOnlyList<Mark> All { get; } =
    [
        new('G', "guarded", "The guest has made it inaccessible: an access ends in a fault.", static cell => cell.Guarded),
        new('W', "read-only", "The guest has made it read-only: a write ends in a fault.", static cell => cell.ReadOnly),
        new('L', "locked", "The guest has locked it: the host can't swap it out.", static cell => cell.Locked),
        new('D', "no-dump", "The guest keeps it out of a core dump of the VMM.", static cell => cell.NoDump),
        new('U', "unmergeable", "The guest forbids that equal pages are merged.", static cell => cell.Unmergeable),
        new('N', "named", "The guest has given it a name.", static cell => cell.Named),
        new('S', "swapped", "On the host's swap.", static cell => cell.Swapped),
        new('H', "huge", "In the host's memory, as huge pages.", static cell => cell.Huge),
        new('R', "resident", "In the host's memory.", static cell => cell.Resident),
        Absent,
    ];

    /// <summary>The mark of a cell.</summary>
    internal static Mark Of(Amounts cell) => All.First(mark => mark.Bytes(cell) > 0);

    /// <summary>The letter of a cell.</summary>
    internal static char LetterOf(Amounts cell)
    {
        Mark mark = Of(cell);
        return mark.Bytes(cell) * 2 >= cell.Ram ? mark.Letter : char.ToLowerInvariant(mark.Letter);
    }
}
