using System.Buffers.Binary;

namespace Memctl.Device.Tests.Guest;

/// <summary>The protocol as its document has it, written down a second time so that a wrong number in the device is seen.</summary>
internal static class Wire
{
    internal const ulong Page = 4096;
    internal const ulong PayloadOffset = 0;
    internal const ulong CommandOffset = 8;

    internal const uint RESET = 0x060FE6D2;
    internal const uint REGISTER = 0x0E359539;
    internal const uint READY = 0x0CA8D227;
    internal const uint DISCONNECT = 0x030F5DA0;
    internal const uint ACK = 0x03CF5196;
    internal const uint ERROR = 0x01FBA249;
    internal const uint FirstChannel = 0x80000000;

    internal const int EPERM = 1;
    internal const int EIO = 5;
    internal const int EBADF = 9;
    internal const int EAGAIN = 11;
    internal const int ENOMEM = 12;
    internal const int EACCES = 13;
    internal const int EFAULT = 14;
    internal const int EBUSY = 16;
    internal const int EINVAL = 22;
    internal const int EOPNOTSUPP = 95;

    internal const uint UNKNOWN_FUNCTION = 1;
    internal const uint UNALIGNED = 2;
    internal const uint NOT_GUEST_MEMORY = 3;
    internal const uint DENIED = 4;
    internal const uint DISCARD_INHIBITED = 5;
    internal const uint HOLDS_BUFFER = 6;
    internal const uint LOCK_BUDGET = 7;
    internal const uint SPLIT_BUDGET = 8;
    internal const uint BUFFER_UNREADABLE = 9;
    internal const uint BAD_LIST = 10;
    internal const uint PAGEOUT_BUDGET = 11;

    /// <summary>In a function code: the request carries a list of ranges.</summary>
    internal const ulong ListBit = 1ul << 63;
    internal const int EntrySize = 16;

    /// <summary>Names in the order of the codes, dialect memctl.</summary>
    internal static readonly string[] MemctlCodes =
    [
        "INFO", "DONTNEED", "REMOVE", "FREE", "PAGEOUT", "UNMERGEABLE", "DONTDUMP", "MLOCK", "MUNLOCK",
        "MPROTECT_NONE", "MPROTECT_R", "MPROTECT_W", "MPROTECT_RW", "SET_VMA_ANON_NAME",
    ];

    /// <summary>Names in the order of the codes, dialect pvmemcontrol.</summary>
    internal static readonly string[] PvmemcontrolCodes =
    [
        "INFO", "DONTNEED", "REMOVE", "FREE", "PAGEOUT", "DONTDUMP", "SET_VMA_ANON_NAME", "MLOCK", "MUNLOCK",
        "MPROTECT_NONE", "MPROTECT_R", "MPROTECT_W", "MPROTECT_RW", "MERGEABLE", "UNMERGEABLE",
    ];

    internal static string[] CodesOf(string dialect) => dialect == "memctl" ? MemctlCodes : PvmemcontrolCodes;

    internal static ulong Code(string function, string dialect = "memctl")
    {
        int code = Array.IndexOf(CodesOf(dialect), function);
        Assert.True(code >= 0, $"{dialect} has no {function}.");
        return (ulong)code;
    }

    internal static byte[] Request(ulong code, ulong addr = 0, ulong length = 0, ulong arg = 0)
    {
        byte[] bytes = new byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, code);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), addr);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), length);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), arg);
        return bytes;
    }

    /// <summary>An answer whose last 16 bytes are zero, as all but INFO's are, and the 8 before them too unless a list is answered.</summary>
    internal static byte[] Answer(int errno, uint code = 0, ulong value = 0)
    {
        byte[] bytes = new byte[32];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, errno);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), code);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), value);
        return bytes;
    }

    /// <summary>An entry of a list.</summary>
    internal static byte[] Entry(ulong addr, ulong length)
    {
        byte[] bytes = new byte[EntrySize];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, addr);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), length);
        return bytes;
    }

    /// <summary>The entries of a list.</summary>
    internal static (ulong Addr, ulong Length)[] Entries(byte[] list) =>
        [.. list.Chunk(EntrySize).Select(entry => (BitConverter.ToUInt64(entry), BitConverter.ToUInt64(entry, 8)))];

    internal static int Errno(byte[] answer) => BinaryPrimitives.ReadInt32LittleEndian(answer);

    internal static uint RetCode(byte[] answer) => BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(4));
}
