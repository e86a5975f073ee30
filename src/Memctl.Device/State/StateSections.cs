using System.Buffers;
using System.Text;

namespace Memctl.Device.State;

/// <summary>The sections of a state that is being read.</summary>
internal readonly ref struct StateSections
{
    private const int MaxName = 32;

    private static readonly SearchValues<byte> _nameBytes = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789.-"u8);

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly Dictionary<string, Range> _known = [];

    /// <summary>Finds the sections.</summary>
    /// <param name="bytes">All of them.</param>
    /// <param name="count">How many there must be.</param>
    /// <param name="known">The names that the caller reads; what others contain is not looked at.</param>
    /// <exception cref="DeviceException">The bytes are not so many sections.</exception>
    internal StateSections(ReadOnlySpan<byte> bytes, uint count, ReadOnlySpan<string> known)
    {
        _bytes = bytes;
        var names = new HashSet<string>();
        var reader = new StateReader(bytes);
        for (uint index = 0; index < count; index++)
        {
            string name = Name(ref reader);
            Require(names.Add(name), $"it has two sections '{name}'");
            bool needed = reader.Bool();
            int length = reader.Count(1);
            int start = bytes.Length - reader.Left;
            reader.Bytes(length);
            if (known.Contains(name))
            {
                _known.Add(name, start..(start + length));
            }
            else if (needed)
            {
                Lacking.Add($"'{name}'");
            }
        }

        Require(reader.Left == 0, "it continues past its last section");
    }

    /// <summary>Names of the sections that the state needs and the caller does not know, in quotes.</summary>
    internal List<string> Lacking { get; } = [];

    /// <summary>Whether a section that the caller knows is there.</summary>
    internal bool Has(string name) => _known.ContainsKey(name);

    /// <summary>A reader of a section. What follows the fields that its caller knows is a later version's.</summary>
    /// <exception cref="DeviceException">It is not there.</exception>
    internal StateReader Read(string name)
    {
        Require(_known.TryGetValue(name, out Range range), $"it has no section '{name}'");
        return new StateReader(_bytes[range]);
    }

    private static string Name(ref StateReader reader)
    {
        byte length = reader.Byte();
        Require(length is > 0 and <= MaxName, "a section's name is empty or too long");
        ReadOnlySpan<byte> name = reader.Bytes(length);
        Require(!name.ContainsAnyExcept(_nameBytes), "a section's name has a character that names do not have");
        return Encoding.ASCII.GetString(name);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new DeviceException(DeviceFault.InvalidState, $"The saved state is damaged: {otherwise}.");
        }
    }
}
