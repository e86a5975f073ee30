using System.Buffers.Binary;
using System.Text;

namespace Memctl.Device.State;

/// <summary>The sections of a state that is being written.</summary>
internal sealed class StateWriter
{
    private readonly List<byte> _bytes = [];

    /// <summary>How many there are.</summary>
    internal uint Count { get; private set; }

    /// <summary>Adds a section: length of the name, name, whether it is needed, length of the content, content.</summary>
    /// <param name="name">What it is called in the refusal of a device that lacks it: 1 to 32 of a-z, 0-9, '.' and '-'.</param>
    /// <param name="needed">
    /// Whether a device that does not know the section must refuse the state instead of skipping the section.
    /// </param>
    /// <param name="content">Writes the content.</param>
    internal void Add(string name, bool needed, Action<BinaryWriter> content)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        content(writer);
        Span<byte> length = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)stream.Length);
        _bytes.Add((byte)name.Length);
        _bytes.AddRange(Encoding.ASCII.GetBytes(name));
        _bytes.Add((byte)(needed ? 1 : 0));
        _bytes.AddRange(length);
        _bytes.AddRange(stream.ToArray());
        Count++;
    }

    internal byte[] ToArray() => [.. _bytes];
}
