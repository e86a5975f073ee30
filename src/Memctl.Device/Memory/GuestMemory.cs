namespace Memctl.Device.Memory;

/// <summary>The guest's RAM as requests see it: the current <see cref="RegionMap"/> and copies of small buffers.</summary>
/// <remarks>
/// <see cref="Map"/> may be read by any thread; a reader must be inside a request (<c>ChannelTable.TryEnter</c>) to
/// act on what it finds. Replacing the map is for the device's control path, one at a time.
/// </remarks>
public sealed class GuestMemory(IGuestCopy copy)
{
    private RegionMap _map = RegionMap.Empty;

    /// <summary>The regions now. Take it once for each request.</summary>
    public RegionMap Map => Volatile.Read(ref _map);

    /// <summary>Makes a map the one that later requests see.</summary>
    public void Publish(RegionMap map) => Volatile.Write(ref _map, map);

    /// <summary>Reads a buffer, which may lie across adjoining regions; false if it is not all RAM, or can't be touched.</summary>
    public bool TryRead(RegionMap map, ulong guestAddress, Span<byte> buffer)
    {
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return false;
        }

        int done = 0;
        foreach (Piece piece in map.Pieces(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryRead(piece.HostAddress, buffer.Slice(done, (int)piece.Length)))
            {
                return false;
            }

            done += (int)piece.Length;
        }

        return true;
    }

    /// <summary>Writes a buffer, which may lie across adjoining regions; false if it is not all RAM, or can't be touched.</summary>
    public bool TryWrite(RegionMap map, ulong guestAddress, ReadOnlySpan<byte> buffer)
    {
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return false;
        }

        int done = 0;
        foreach (Piece piece in map.Pieces(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryWrite(piece.HostAddress, buffer.Slice(done, (int)piece.Length)))
            {
                return false;
            }

            done += (int)piece.Length;
        }

        return true;
    }
}
