using System.Runtime.CompilerServices;
using Memctl.Device.Functions;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>What a request must satisfy before anything is done for it, and how it is answered if it does not.</summary>
internal sealed class RequestRules(DeviceOptions options, ulong pageSize, GuestMemory memory)
{
    private readonly Dialect _dialect = options.Dialect;
    private readonly FunctionSet _allowed = options.Allowed;

    /// <summary>The bits that an address and a length of whole pages lack.</summary>
    internal ulong PageMask { get; } = pageSize - 1;

    /// <summary>Requests that each refusal of the device's own answered.</summary>
    internal RefusalCounters Refusals { get; } = new();

    /// <summary>The function that a request names, or null.</summary>
    internal Function? Find(in Request request) => _dialect.Find(request.FuncCode) ?? FindForList(request.FuncCode);

    /// <summary>Whether the operator lets a guest use a function.</summary>
    internal bool Allows(Function function) => _allowed.Contains(function);

    /// <summary>Whether the operator lets a guest use a function on a range, which guest RAM covers.</summary>
    internal bool Allows(Function function, RegionMap map, ulong addr, ulong length) =>
        !function.Merges || options.MayMerge || map.IsMergeable(addr, length);

    /// <summary>Whether a range is made of whole pages of guest RAM (protocol, "Ranges").</summary>
    internal DeviceError CheckRange(RegionMap map, ulong addr, ulong length) =>
        ((addr | length) & PageMask) != 0 ? DeviceError.UNALIGNED
        : !map.Covers(addr, length) ? DeviceError.NOT_GUEST_MEMORY
        : DeviceError.NONE;

    /// <summary>Copies a request's list (protocol, "Lists of ranges").</summary>
    /// <param name="request">A request with a list.</param>
    /// <param name="copy">Of <see cref="RangeList.MaxSize"/> bytes.</param>
    /// <param name="list">The entries, in the copy.</param>
    internal DeviceError ReadList(Request request, Span<byte> copy, out RangeList list)
    {
        list = default;
        if (((request.Addr | request.Length) & (RangeList.EntrySize - 1)) != 0 || request.Length > RangeList.MaxSize)
        {
            return DeviceError.BAD_LIST;
        }

        Span<byte> bytes = copy[..(int)request.Length];
        list = new RangeList(bytes);
        return bytes.IsEmpty ? DeviceError.NONE : memory.Read(request.Addr, bytes) switch
        {
            CopyResult.Copied => DeviceError.NONE,
            CopyResult.NotGuestMemory => DeviceError.NOT_GUEST_MEMORY,
            _ => DeviceError.BUFFER_UNREADABLE,
        };
    }

    /// <summary>The function that a <c>func_code</c> names with its bit for a list, or null. INFO takes none.</summary>
    private Function? FindForList(ulong code)
    {
        Function? function = _dialect.HasLists ? _dialect.Find(code ^ Request.ListBit) : null;
        return function is { Effect: not FunctionEffect.Information } ? function : null;
    }

    /// <summary>Counts a refusal and makes its answer.</summary>
    /// <param name="request">What is refused.</param>
    /// <param name="error">Why.</param>
    /// <param name="done">Entries of its list that were carried out before.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal Answer Refuse(in Request request, DeviceError error, int done = 0)
    {
        Refusals.Count(error);
        uint code = _dialect.HasOwnErrorCodes ? (uint)error : (uint)request.FuncCode;
        return Answer.Refusal(ErrnoOf(error), code, done);
    }

    /// <summary>The errno of each error that the device finds (protocol, "Error codes").</summary>
    private static int ErrnoOf(DeviceError error) => error switch
    {
        DeviceError.UNKNOWN_FUNCTION => Errno.EOPNOTSUPP,
        DeviceError.DENIED => Errno.EPERM,
        DeviceError.DISCARD_INHIBITED or DeviceError.HOLDS_BUFFER => Errno.EBUSY,
        DeviceError.LOCK_BUDGET or DeviceError.SPLIT_BUDGET => Errno.ENOMEM,
        DeviceError.BUFFER_UNREADABLE => Errno.EFAULT,
        DeviceError.PAGEOUT_BUDGET => Errno.EAGAIN,
        _ => Errno.EINVAL,
    };
}
