namespace Memctl.Device.State;

/// <content>
/// Compiled into a library for tests only: it writes states as a later minor version will, with a section that this version does not
/// know. The rehearsals move a guest to that library and back.
/// </content>
public static partial class DeviceStateCodec
{
    static partial void AddLater(StateWriter sections, ref ushort minor)
    {
        minor++;
        sections.Add("later.version", needed: false, writer => writer.Write(0x0123_4567_89AB_CDEF));
    }
}
