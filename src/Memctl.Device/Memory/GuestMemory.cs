namespace Memctl.Device.Memory;

/// <summary>What became of a copy.</summary>
public enum CopyResult
{
    /// <summary>All bytes were copied.</summary>
    Copied,

    /// <summary>Not all of the buffer is guest RAM: nothing was copied.</summary>
    NotGuestMemory,

    /// <summary>Memory could not be touched; a part may have been copied.</summary>
    Fault,
}

/// <summary>The guest's RAM as requests see it: the current <see cref="RegionMap"/> and copies of small buffers.</summary>
/// <remarks>
/// <see cref="Map"/> may be read by any thread; a reader must be in a read-side critical section of the channel table, or hold
/// the lock of <c>GuestAttributes</c>, to act on what it finds. Replacing the map is for the device's control path, one at a
/// time.
/// </remarks>
public sealed class GuestMemory(IGuestCopy copy)
{
    private RegionMap _map = RegionMap.Empty;

    /// <summary>The regions now. Take it once for each request.</summary>
    public RegionMap Map => Volatile.Read(ref _map);

    /// <summary>Makes a map the one that later requests see.</summary>
    public void Publish(RegionMap map) => Volatile.Write(ref _map, map);

    /// <summary>Reads a buffer whose host address is known.</summary>
    public CopyResult ReadHost(nuint hostAddress, Span<byte> buffer) =>
        copy.TryRead(hostAddress, buffer) ? CopyResult.Copied : CopyResult.Fault;

    /// <summary>Writes a buffer whose host address is known.</summary>
    public CopyResult WriteHost(nuint hostAddress, ReadOnlySpan<byte> buffer) =>
        copy.TryWrite(hostAddress, buffer) ? CopyResult.Copied : CopyResult.Fault;

    /// <summary>Reads a buffer, which may lie in several segments.</summary>
    public CopyResult Read(ulong guestAddress, Span<byte> buffer)
    {
        RegionMap map = Map;
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return CopyResult.NotGuestMemory;
        }

        foreach (MemorySegment segment in map.Segments(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryRead(segment.HostAddress, buffer.Slice((int)(segment.GuestAddress - guestAddress), (int)segment.Length)))
            {
                return CopyResult.Fault;
            }
        }

        return CopyResult.Copied;
    }

    /// <summary>Writes a buffer, which may lie in several segments.</summary>
    public CopyResult Write(ulong guestAddress, ReadOnlySpan<byte> buffer)
    {
        RegionMap map = Map;
        if (!map.Covers(guestAddress, (ulong)buffer.Length))
        {
            return CopyResult.NotGuestMemory;
        }

        foreach (MemorySegment segment in map.Segments(guestAddress, (ulong)buffer.Length))
        {
            if (!copy.TryWrite(segment.HostAddress, buffer.Slice((int)(segment.GuestAddress - guestAddress), (int)segment.Length)))
            {
                return CopyResult.Fault;
            }
        }

        return CopyResult.Copied;
    }

    /// <summary>The host address of a buffer that is all RAM of one region; 0 if it is not.</summary>
    public nuint HostAddressOf(ulong guestAddress, ulong length) => Map.HostAddressOf(guestAddress, length);
}
