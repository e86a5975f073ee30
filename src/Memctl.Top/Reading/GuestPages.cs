namespace Memctl.Top.Reading;

/// <summary>
/// Where the pages of guest RAM are, segment by segment: from pagemap, and what that leaves open from smaps and the mapped file.
/// </summary>
internal sealed class GuestPages : IDisposable
{
    private readonly ProcFiles _proc;
    private readonly int _pid;
    private readonly PageReader _pages;
    private readonly Dictionary<ulong, SharedFile?> _files = [];
    private List<Mapping> _mappings = [];

    /// <summary>Opens what is needed of a process.</summary>
    /// <exception cref="UnauthorizedAccessException">The process is another user's.</exception>
    /// <exception cref="IOException">The process has ended.</exception>
    internal GuestPages(ProcFiles proc, int pid, ulong pageSize)
    {
        _proc = proc;
        _pid = pid;
        _pages = new PageReader(proc.PathOf(pid, "pagemap"), pageSize);
    }

    /// <summary>Whether a page that the VMM shares and no longer maps could not be told from one that is gone.</summary>
    internal bool MissesSharedPages { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pages.Dispose();
        foreach (SharedFile? file in _files.Values)
        {
            file?.Dispose();
        }
    }

    /// <summary>Reports every page of guest RAM, at its guest-physical address.</summary>
    /// <exception cref="UnauthorizedAccessException">The process is another user's.</exception>
    /// <exception cref="IOException">The process has ended.</exception>
    internal void Read(IReadOnlyList<RamSegment> ram, PageSink sink)
    {
        if (ram.Count == 0)
        {
            return;
        }

        // With PAGEMAP_SCAN, maps has all that is needed; smaps makes the kernel walk all pages in one go.
        string file = _pages.HasScan ? "maps" : "smaps";
        _mappings = MappingFile.Read(
            File.ReadLines(_proc.PathOf(_pid, file)),
            ram.Min(segment => segment.HostAddress),
            ram.Max(segment => segment.HostAddress + segment.Length));
        int index = 0;
        foreach (RamSegment segment in ram)
        {
            ulong end = segment.HostAddress + segment.Length;
            ulong toGuest = segment.GuestAddress - segment.HostAddress;
            void Guest(ulong start, ulong to, PageKind kind) => sink(start + toGuest, to + toGuest, kind);

            for (ulong next = segment.HostAddress; next < end;)
            {
                Mapping? mapping = MappingAt(ref index, next);
                ulong to = Math.Min(end, mapping is null ? end : mapping.Start <= next ? mapping.End : mapping.Start);
                if (mapping is null || mapping.Start > next)
                {
                    // Unmapped between two looks.
                    Guest(next, to, PageKind.Absent);
                }
                else
                {
                    ReadMapping(mapping, next, to, Guest);
                }

                next = to;
            }
        }
    }

    /// <summary>
    /// The first mapping that ends past an address. Segments are nearly always in the order of their mappings too.
    /// </summary>
    private Mapping? MappingAt(ref int index, ulong address)
    {
        if (index > 0 && _mappings[index - 1].End > address)
        {
            index = 0;
        }

        while (index < _mappings.Count && _mappings[index].End <= address)
        {
            index++;
        }

        return index < _mappings.Count ? _mappings[index] : null;
    }

    private void ReadMapping(Mapping mapping, ulong start, ulong end, PageSink sink)
    {
        SharedFile? file = mapping.Shared ? FileOf(mapping) : null;

        // What is mostly huge counts as huge where the kernel does not tell pages apart.
        bool huge = !_pages.HasScan && (mapping.Hugetlb || mapping.Huge > (mapping.End - mapping.Start) / 2);
        _pages.Read(start, end, (from, to, kind) =>
        {
            if (kind == PageKind.Absent && file is not null)
            {
                file.Read(mapping.Offset + (from - mapping.Start), to - from, from, sink);
            }
            else
            {
                sink(from, to, huge && kind == PageKind.Resident ? kind | PageKind.Huge : kind);
            }
        });
    }

    private SharedFile? FileOf(Mapping mapping)
    {
        // All of guest RAM is in a few files, and a mapping that was split maps the same one as its neighbours.
        if (!_files.TryGetValue(mapping.Inode, out SharedFile? file))
        {
            file = OpenFile(mapping);
            _files.Add(mapping.Inode, file);
        }

        return file;
    }

    private SharedFile? OpenFile(Mapping mapping)
    {
        try
        {
            var file = new SharedFile(_proc.PathOf(_pid, $"map_files/{mapping.Start:x}-{mapping.End:x}"));
            if (file.IsMemory)
            {
                return file;
            }

            file.Dispose();
        }
        catch (UnauthorizedAccessException)
        {
            MissesSharedPages = true;
        }

        return null;
    }
}
