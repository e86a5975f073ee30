using System.Collections.Concurrent;
using Memctl.Device.Host;
using Memctl.Device.Memory;

namespace Memctl.Device.Tests.Concurrency;

/// <summary>
/// Host and memory for the stress test: knows at each moment what nobody may use any more, and keeps as a failure any use that
/// begins or ends in such a moment. Requests share no lock here, as they share none in the device.
/// </summary>
internal sealed class StressHost : IHostCalls, IGuestCopy
{
    internal const int Slots = 4;
    internal const int SlotPages = 8;
    private const int Page = 4096;

    private readonly byte[][] _memory = [.. Enumerable.Range(0, Slots).Select(_ => new byte[SlotPages * Page])];
    private readonly bool[] _inaccessible = new bool[Slots];
    private readonly Lock _kernel = new();
    private readonly Dictionary<ulong, (bool Locked, int Protection)> _pages = [];
    private volatile bool _disconnected = true;
    private volatile bool _noDiscards;

    internal ConcurrentQueue<string> Failures { get; } = new();

    internal static ulong HostOf(int slot) => (ulong)(slot + 1) << 32;

    /// <summary>From now on, until opened, any use of the slot is a failure.</summary>
    internal void Close(int slot) => Volatile.Write(ref _inaccessible[slot], true);

    internal void Open(int slot) => Volatile.Write(ref _inaccessible[slot], false);

    /// <summary>While it is so, no buffer may be read or written.</summary>
    internal bool Disconnected
    {
        get => _disconnected;
        set => _disconnected = value;
    }

    /// <summary>While it is so, no page may be discarded.</summary>
    internal bool NoDiscards
    {
        get => _noDiscards;
        set => _noDiscards = value;
    }

    internal (bool Locked, int Protection) At(ulong hostPage)
    {
        lock (_kernel)
        {
            return _pages.GetValueOrDefault(hostPage, (false, 3));
        }
    }

    internal Span<byte> Bytes(ulong address, int length) =>
        _memory[SlotOf(address)].AsSpan((int)(address & uint.MaxValue), length);

    public int Advise(nuint address, nuint length, MemoryAdvice advice)
    {
        bool discards = advice is MemoryAdvice.DontNeed or MemoryAdvice.Remove or MemoryAdvice.Free;
        Use(address, discards && _noDiscards, $"{advice}");
        Thread.SpinWait(20);
        Use(address, discards && _noDiscards, $"{advice}, at its end,");
        return 0;
    }

    public int Lock(nuint address, nuint length) => Change(address, length, page => (true, page.Protection));

    public int Unlock(nuint address, nuint length) => Change(address, length, page => (false, page.Protection));

    public int Protect(nuint address, nuint length, MemoryProtection protection) =>
        Change(address, length, page => (page.Locked, (int)protection));

    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name)
    {
        Use(address, false, "name");
        return 0;
    }

    public bool TryRead(nuint source, Span<byte> destination)
    {
        Use(source, _disconnected, "read");
        Bytes(source, destination.Length).CopyTo(destination);
        Use(source, _disconnected, "read, at its end,");
        return true;
    }

    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        Use(destination, _disconnected, "write");
        Thread.SpinWait(10);
        source.CopyTo(Bytes(destination, source.Length));
        Use(destination, _disconnected, "write, at its end,");
        return true;
    }

    private static int SlotOf(ulong address) => (int)(address >> 32) - 1;

    private int Change(ulong address, ulong length, Func<(bool Locked, int Protection), (bool, int)> change)
    {
        Use(address, false, "change");
        lock (_kernel)
        {
            for (ulong page = address; page < address + length; page += Page)
            {
                _pages[page] = change(_pages.GetValueOrDefault(page, (false, 3)));
            }
        }

        Use(address, false, "change, at its end,");
        return 0;
    }

    private void Use(ulong address, bool forbidden, string what)
    {
        if (forbidden || Volatile.Read(ref _inaccessible[SlotOf(address)]))
        {
            Failures.Enqueue($"{what} of {address:x} after it was taken away");
        }
    }
}
