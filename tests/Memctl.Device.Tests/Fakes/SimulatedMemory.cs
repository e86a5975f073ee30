using Memctl.Device.Memory;

namespace Memctl.Device.Tests.Fakes;

/// <summary>Guest pages as arrays at made-up host addresses. A range may be inaccessible: then copies of it fail, as a fault would.</summary>
internal sealed class SimulatedMemory : IGuestCopy
{
    private readonly Lock _gate = new();
    private readonly SortedList<ulong, byte[]> _blocks = [];
    private readonly HashSet<ulong> _unreadable = [];
    private readonly HashSet<ulong> _unwritable = [];

    /// <summary>Called before every copy with its host address and whether it writes; false makes the copy fail.</summary>
    internal Func<ulong, bool, bool> Allow { get; set; } = (_, _) => true;

    internal void Add(ulong hostAddress, ulong length)
    {
        lock (_gate)
        {
            _blocks.Add(hostAddress, new byte[length]);
        }
    }

    internal void MakeUnreadable(ulong hostPage) => Change(() => _unreadable.Add(hostPage));

    internal void MakeUnwritable(ulong hostPage) => Change(() => _unwritable.Add(hostPage));

    internal void Open(ulong hostPage) => Change(() =>
    {
        _unreadable.Remove(hostPage);
        _unwritable.Remove(hostPage);
    });

    public bool TryRead(nuint source, Span<byte> destination)
    {
        if (!Allow(source, false))
        {
            return false;
        }

        lock (_gate)
        {
            bool open = !_unreadable.Contains(source & ~0xFFFul);
            if (open)
            {
                At(source, destination.Length).CopyTo(destination);
            }

            return open;
        }
    }

    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        if (!Allow(destination, true))
        {
            return false;
        }

        lock (_gate)
        {
            bool open = !_unwritable.Contains(destination & ~0xFFFul) && !_unreadable.Contains(destination & ~0xFFFul);
            if (open)
            {
                source.CopyTo(At(destination, source.Length));
            }

            return open;
        }
    }

    /// <summary>What the test itself does to memory: no rule holds.</summary>
    internal void Poke(ulong hostAddress, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            bytes.CopyTo(At(hostAddress, bytes.Length));
        }
    }

    internal byte[] Peek(ulong hostAddress, int length)
    {
        lock (_gate)
        {
            return At(hostAddress, length).ToArray();
        }
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
        }
    }

    private Span<byte> At(ulong address, int length)
    {
        for (int index = _blocks.Count - 1; index >= 0; index--)
        {
            ulong start = _blocks.Keys[index];
            if (start <= address)
            {
                return _blocks.Values[index].AsSpan((int)(address - start), length);
            }
        }

        throw new InvalidOperationException($"No memory at {address:x}.");
    }
}
