using System.Runtime.CompilerServices;

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

/// <summary>
/// The guest's RAM as requests see it: the current <see cref="RegionMap"/>, what the VMM switches, and copies of small buffers.
/// </summary>
/// <remarks>
/// Map and switches may be read by any thread; a reader must be in a read-side critical section of the channel table, or hold
/// the lock of <c>GuestAttributes</c>, to act on what it finds. Changing them is for the device's control path, one at a time,
/// which synchronizes afterwards.
/// </remarks>
/// <param name="copy">Reaches the guest's pages.</param>
/// <param name="map">The regions at first.</param>
/// <param name="dirtyLog">Notified of changes; null if dirty logging is never switched on.</param>
public sealed class GuestMemory(IGuestCopy copy, RegionMap map, IDirtyLog? dirtyLog)
{
    private RegionMap _map = map;
    private bool _discardInhibited;
    private bool _dirtyLogging;

    /// <summary>The regions now. Take it once for each request.</summary>
    public RegionMap Map => Volatile.Read(ref _map);

    /// <summary>Whether functions that drop memory contents answer EBUSY.</summary>
    public bool DiscardInhibited
    {
        get => Volatile.Read(ref _discardInhibited);
        set => Volatile.Write(ref _discardInhibited, value);
    }

    /// <summary>Whether changes of guest memory are reported, by <see cref="MarkDirty"/>.</summary>
    public bool DirtyLogging
    {
        get => Volatile.Read(ref _dirtyLogging);
        set => Volatile.Write(ref _dirtyLogging, value);
    }

    /// <summary>Makes a map the one that later requests see.</summary>
    public void Publish(RegionMap map) => Volatile.Write(ref _map, map);

    /// <summary>Reports a change of guest memory. Apart, as a request rarely needs it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void MarkDirty(ulong guestAddress, ulong length) => dirtyLog?.MarkDirty(guestAddress, length);

    /// <summary>Reads a buffer whose host address is known; false if it can't be touched.</summary>
    public bool TryRead(nuint hostAddress, Span<byte> buffer) => copy.TryRead(hostAddress, buffer);

    /// <summary>Writes a buffer whose host address is known; false if it can't be touched.</summary>
    public bool TryWrite(nuint hostAddress, ReadOnlySpan<byte> buffer) => copy.TryWrite(hostAddress, buffer);

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
