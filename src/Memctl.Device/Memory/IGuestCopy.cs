namespace Memctl.Device.Memory;

/// <summary>
/// Moves bytes between a guest's page and the device. The page may be inaccessible, or its file cut short behind the
/// device's back: then the copy returns false and the process lives. Called from many vCPU threads at once.
/// </summary>
public interface IGuestCopy
{
    /// <summary>Copies from host address <paramref name="source"/>; false if it can't be read.</summary>
    bool TryRead(nuint source, Span<byte> destination);

    /// <summary>Copies to host address <paramref name="destination"/>; false if it can't be written.</summary>
    bool TryWrite(nuint destination, ReadOnlySpan<byte> source);
}

/// <summary>Notified of every change that the device makes to guest memory while a VMM migrates the guest.</summary>
public interface IDirtyLog
{
    /// <summary>
    /// [guestAddress, guestAddress + length) has changed. Called after the change, from many vCPU threads at once.
    /// </summary>
    void MarkDirty(ulong guestAddress, ulong length);
}
