using System.Buffers.Binary;

namespace Memctl.Device.State;

/// <summary>
/// Takes fields off the front of a saved state and refuses, with a <see cref="DeviceException"/>, what can't be.
/// </summary>
internal ref struct StateReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _left = bytes;

    /// <summary>Bytes that are not taken yet.</summary>
    internal readonly int Left => _left.Length;

    internal ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _left.Length)
        {
            throw new DeviceException(DeviceFault.InvalidState, "The saved state is damaged: it ends within a field.");
        }

        ReadOnlySpan<byte> taken = _left[..count];
        _left = _left[count..];
        return taken;
    }

    internal byte Byte() => Bytes(1)[0];

    internal ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(sizeof(ulong)));

    internal bool Bool() => Number(1) != 0;

    /// <summary>A value from 0 to the last one of its kind.</summary>
    internal T Enum<T>(T last)
        where T : struct, System.Enum
    {
        byte max = (byte)Convert.ToInt32(last, null);
        return (T)System.Enum.ToObject(typeof(T), Number(max));
    }

    /// <summary>A number of items, no more than can follow.</summary>
    internal int Count(int itemSize)
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(Bytes(sizeof(int)));
        return count >= 0 && count <= _left.Length / itemSize
            ? count
            : throw new DeviceException(DeviceFault.InvalidState, "The saved state is damaged: it announces more items than it contains.");
    }

    private byte Number(byte max)
    {
        byte value = Byte();
        return value <= max ? value : throw new DeviceException(DeviceFault.InvalidState, "The saved state is damaged: a field has a value that does not exist.");
    }
}
