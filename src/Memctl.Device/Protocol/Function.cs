namespace Memctl.Device.Protocol;

/// <summary>
/// What a request asks for, whatever the dialect: each <see cref="Dialect"/> gives these its own numbers.
/// Spelled as on the wire, so that one search finds a function in the header, the driver and here.
/// </summary>
public enum Function : byte
{
    INFO,
    DONTNEED,
    REMOVE,
    FREE,
    PAGEOUT,
    MERGEABLE,
    UNMERGEABLE,
    DONTDUMP,
    MLOCK,
    MUNLOCK,
    MPROTECT_NONE,
    MPROTECT_R,
    MPROTECT_W,
    MPROTECT_RW,
    SET_VMA_ANON_NAME,
}
