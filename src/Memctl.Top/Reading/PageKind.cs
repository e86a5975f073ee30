namespace Memctl.Top.Reading;

/// <summary>Where a page of guest RAM is.</summary>
[Flags]
internal enum PageKind : byte
{
    /// <summary>Nowhere: never touched, or given back. The next access brings a fresh page.</summary>
    Absent = 0,

    /// <summary>In the host's memory.</summary>
    Resident = 1,

    /// <summary>On the host's swap.</summary>
    Swapped = 2,

    /// <summary>Part of a huge page; with <see cref="Resident"/>.</summary>
    Huge = 4,
}

/// <summary>
/// Takes what was found: pages of the process in [start, end), all of one kind. Ranges come in order, without gaps.
/// </summary>
internal delegate void PageSink(ulong start, ulong end, PageKind kind);
