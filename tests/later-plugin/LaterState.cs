using Memctl.Device.Attributes;
using Memctl.Device.Host;

namespace Memctl.Device.State;

/// <content>
/// Compiled into a library for tests only: it writes states as a later minor version will, with a section that this version does not
/// know. The rehearsals move a guest to that library and back. Where the guest has memory that it can only write, the state needs
/// the section, as if that were what the later version brought.
/// </content>
public static partial class DeviceStateCodec
{
    static partial void AddLater(StateWriter sections, IReadOnlyList<AttributeExtent> extents, ref ushort minor)
    {
        minor++;
        bool needed = extents.Any(extent => extent.Attributes.Denied == MemoryProtection.Read);
        sections.Add("later.version", needed, writer => writer.Write(0x0123_4567_89AB_CDEF));
    }
}
