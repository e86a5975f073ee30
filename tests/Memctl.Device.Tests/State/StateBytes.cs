using System.Buffers.Binary;
using System.Numerics;

namespace Memctl.Device.Tests.State;

/// <summary>Makes the length and the checksum of changed state bytes right again, as someone would who means harm.</summary>
internal static class StateBytes
{
    internal static byte[] Seal(byte[] bytes)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), bytes.Length);
        uint crc = uint.MaxValue;
        foreach (byte next in bytes.AsSpan(0, bytes.Length - 4))
        {
            crc = BitOperations.Crc32C(crc, next);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4), ~crc);
        return bytes;
    }
}
