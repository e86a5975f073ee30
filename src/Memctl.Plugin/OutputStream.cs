using System.Buffers;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>
/// Bytes that an export writes one after the other into the caller's buffer as far as it goes, and counts beyond. What it takes
/// of the managed heap does not grow with what is written.
/// </summary>
/// <param name="buffer">Null only if the capacity is 0; the caller's, until the export returns.</param>
/// <param name="capacity">Bytes that fit.</param>
/// <param name="length">A place for the number of all bytes, never null; the caller's.</param>
internal sealed unsafe class OutputStream(byte* buffer, nuint capacity, nuint* length) : IBufferWriter<byte>
{
    private const int MinChunk = 16384;

    private byte[] _chunk = new byte[MinChunk];
    private nuint _written;

    /// <inheritdoc/>
    public void Advance(int count)
    {
        if (_written < capacity)
        {
            int fitting = (int)Math.Min((nuint)count, capacity - _written);
            _chunk.AsSpan(0, fitting).CopyTo(new Span<byte>(buffer + _written, fitting));
        }

        _written += (nuint)count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (sizeHint > _chunk.Length)
        {
            _chunk = new byte[sizeHint];
        }

        return _chunk;
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Stores the number of all bytes.</summary>
    internal uint Complete(string noun)
    {
        *length = _written;
        return _written <= capacity
            ? MemctlAbi.MEMCTL_OK
            : AbiError.Report(MemctlAbi.MEMCTL_BUFFER_TOO_SMALL, $"There are {_written} {noun}; the buffer takes {capacity}.");
    }
}
