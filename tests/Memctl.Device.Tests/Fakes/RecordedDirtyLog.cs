using System.Collections.Concurrent;
using Memctl.Device.Memory;

namespace Memctl.Device.Tests.Fakes;

/// <summary>Remembers which ranges the device has told of.</summary>
internal sealed class RecordedDirtyLog : IDirtyLog
{
    private readonly ConcurrentQueue<(ulong Address, ulong Length)> _ranges = new();

    internal (ulong Address, ulong Length)[] Ranges => [.. _ranges];

    public void MarkDirty(ulong guestAddress, ulong length) => _ranges.Enqueue((guestAddress, length));
}
