namespace Memctl.Device.Memory;

/// <summary>The guest's RAM as requests see it: the current <see cref="RegionMap"/> and copies of small buffers.</summary>
/// <remarks>
/// <see cref="Map"/> may be read by any thread; a reader must be in a read-side critical section of the channel table, or hold
/// the lock of <c>GuestAttributes</c>, to act on what it finds. Replacing the map is for the device's control path, one at a time.
/// </remarks>
public sealed class GuestMemory(IGuestCopy copy)
{
    private RegionMap _map = RegionMap.Empty;

    /// <summary>The regions now. Take it once for each request.</summary>
    public RegionMap Map => Volatile.Read(ref _map);

    /// <summary>Makes a map the one that later requests see.</summary>
    public void Publish(RegionMap map) => Volatile.Write(ref _map, map);

    /// <summary>Reads a buffer whose host address is known; false if it can't be touched.</summary>
    public bool TryRead(nuint hostAddress, Span<byte> buffer) => copy.TryRead(hostAddress, buffer);

    /// <summary>Writes a buffer whose host address is known; false if it can't be touched.</summary>
    public bool TryWrite(nuint hostAddress, ReadOnlySpan<byte> buffer) => copy.TryWrite(hostAddress, buffer);

    /// <summary>Reads a buffer, which may lie in several segments; false if it is not all RAM, or can't be touched.</summary>
    public bool TryReadAt(ulong guestAddress, Span<byte> buffer)
    {
        RegionMap map = Map;
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return false;
        }

        foreach (MemorySegment segment in map.Segments(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryRead(segment.HostAddress, buffer.Slice((int)(segment.GuestAddress - guestAddress), (int)segment.Length)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes a buffer, which may lie in several segments; false if it is not all RAM, or can't be touched.</summary>
    public bool TryWriteAt(ulong guestAddress, ReadOnlySpan<byte> buffer)
    {
        RegionMap map = Map;
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return false;
        }

        foreach (MemorySegment segment in map.Segments(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryWrite(segment.HostAddress, buffer.Slice((int)(segment.GuestAddress - guestAddress), (int)segment.Length)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The host address of a buffer that is all RAM and one segment; 0 if it is not.</summary>
    public nuint HostAddressOf(ulong guestAddress, ulong length)
    {
        RegionMap map = Map;
        if (!map.Covers(guestAddress, length))
        {
            return 0;
        }

        SegmentEnumerator segments = map.Segments(guestAddress, length);
        return segments.MoveNext() && segments.Current.Length == length ? segments.Current.HostAddress : 0;
    }
}
