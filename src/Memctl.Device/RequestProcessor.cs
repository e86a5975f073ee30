using Memctl.Device.Attributes;
using Memctl.Device.Channels;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;

namespace Memctl.Device;

/// <summary>
/// Serves requests: reads the guest's buffer once, validates, makes the host call, writes the answer. Runs on many vCPU
/// threads at once, allocates nothing, and takes no lock unless the function changes mappings.
/// </summary>
internal sealed class RequestProcessor(
    DeviceOptions options, ulong pageSize, GuestMemory memory, GuestAttributes attributes, IHostCalls calls, IDirtyLog? dirtyLog)
{
    private readonly Dialect _dialect = options.Dialect;
    private bool _discardInhibited;
    private bool _dirtyLogging;

    /// <summary>Whether there is anyone to report to.</summary>
    internal bool HasDirtyLog => dirtyLog is not null;

    /// <summary>Whether DONTNEED, REMOVE and FREE answer EBUSY.</summary>
    internal bool DiscardInhibited
    {
        get => Volatile.Read(ref _discardInhibited);
        set => Volatile.Write(ref _discardInhibited, value);
    }

    /// <summary>Whether changes of guest memory are reported.</summary>
    internal bool DirtyLogging
    {
        get => Volatile.Read(ref _dirtyLogging);
        set => Volatile.Write(ref _dirtyLogging, value);
    }

    /// <summary>Requests that each refusal of the device's own answered, at the index of its <see cref="DeviceError"/>.</summary>
    internal RefusalCounters Refusals { get; } = new();

    /// <summary>Serves one request. The caller is inside the channel's grace period.</summary>
    /// <returns>False if no answer could be written.</returns>
    internal bool Serve(Channel channel, ChannelSet connected)
    {
        RegionMap map = memory.Map;
        Span<byte> buffer = stackalloc byte[Request.Size];
        Answer answer;
        if (memory.TryRead(map, channel.BufferAddress, buffer))
        {
            var request = Request.Read(buffer);
            answer = Process(request, map, connected);
            if (_dialect.TryGetFunction(request.FuncCode, out Function function))
            {
                channel.Count((int)request.FuncCode, function == Function.INFO ? 0 : request.Length, answer.RetErrno != 0);
            }
        }
        else
        {
            answer = Refuse(default, Errno.EFAULT, DeviceError.BUFFER_UNREADABLE);
        }

        answer.Write(buffer);
        bool answered = memory.TryWrite(map, channel.BufferAddress, buffer);
        if (DirtyLogging && map.Covers(channel.BufferAddress, Request.Size))
        {
            // Also after a failure: a buffer across two regions may have been written in the first.
            dirtyLog?.MarkDirty(channel.BufferAddress, Request.Size);
        }

        return answered;
    }

    private Answer Process(Request request, RegionMap map, ChannelSet connected)
    {
        if (!_dialect.TryGetFunction(request.FuncCode, out Function function))
        {
            return Refuse(request, Errno.EOPNOTSUPP, DeviceError.UNKNOWN_FUNCTION);
        }

        if (function == Function.INFO)
        {
            return Answer.Info(_dialect, pageSize);
        }

        if (!options.Allowed.Contains(function))
        {
            return Refuse(request, Errno.EPERM, DeviceError.DENIED);
        }

        if (((request.Addr | request.Length) & (pageSize - 1)) != 0)
        {
            return Refuse(request, Errno.EINVAL, DeviceError.UNALIGNED);
        }

        if (!map.Covers(request.Addr, request.Length))
        {
            return Refuse(request, Errno.EINVAL, DeviceError.NOT_GUEST_MEMORY);
        }

        if (request.Length == 0)
        {
            return Answer.Success;
        }

        return function switch
        {
            Function.DONTNEED => Discard(request, map, MemoryAdvice.DontNeed),
            Function.REMOVE => Discard(request, map, MemoryAdvice.Remove),
            Function.FREE => Discard(request, map, MemoryAdvice.Free),
            Function.PAGEOUT => Answer.FromHost(Advise(request, map, MemoryAdvice.PageOut)),
            _ => Change(request, map, connected, new AttributeChange(function, function == Function.SET_VMA_ANON_NAME ? request.Arg : 0)),
        };
    }

    private Answer Discard(Request request, RegionMap map, MemoryAdvice advice)
    {
        if (DiscardInhibited)
        {
            return Refuse(request, Errno.EBUSY, DeviceError.DISCARD_INHIBITED);
        }

        int errno = Advise(request, map, advice);
        if (DirtyLogging)
        {
            // The whole range even after an error: the kernel may have dropped a part of it.
            dirtyLog?.MarkDirty(request.Addr, request.Length);
        }

        return Answer.FromHost(errno);
    }

    private int Advise(Request request, RegionMap map, MemoryAdvice advice)
    {
        foreach (Piece piece in map.Pieces(request.Addr, request.Length))
        {
            int errno = calls.Advise(piece.HostAddress, (nuint)piece.Length, advice);
            if (errno != 0)
            {
                return errno;
            }
        }

        return 0;
    }

    private Answer Change(Request request, RegionMap map, ChannelSet connected, AttributeChange change)
    {
        if (change.Closes && connected.HasBufferIn(request.Addr, request.Addr + request.Length))
        {
            return Refuse(request, Errno.EBUSY, DeviceError.HOLDS_BUFFER);
        }

        int errno = attributes.Apply(map, request.Addr, request.Length, change, out DeviceError error);
        return error == DeviceError.NONE ? Answer.FromHost(errno) : Refuse(request, errno, error);
    }

    private Answer Refuse(Request request, int errno, DeviceError error)
    {
        Refusals.Count(error);
        uint code = _dialect.AnswersOwnCodes ? (uint)error : (uint)request.FuncCode;
        return new Answer((uint)errno, code, 0, 0, 0);
    }
}
