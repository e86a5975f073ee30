using System.Runtime.CompilerServices;
using Memctl.Device.Channels;
using Memctl.Device.Functions;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>What became of a store of a channel's command.</summary>
internal enum RequestOutcome
{
    /// <summary>The answer is in the buffer.</summary>
    Answered,

    /// <summary>The answer could not be written.</summary>
    Unanswered,

    /// <summary>The guest disconnected the channel before the request was carried out: nothing was done.</summary>
    Disconnected,
}

/// <summary>
/// Serves requests (protocol, "Requests"): reads the guest's buffer once, dispatches by the kind of effect, writes the answer.
/// Runs on many vCPU threads at once, allocates nothing, and takes no lock unless the function changes mappings.
/// </summary>
internal sealed class RequestProcessor(
    RequestRules rules,
    AdvicePath advice,
    AttributePath attributes,
    GuestMemory memory,
    RequestSwitches switches,
    IDirtyLog? dirtyLog,
    Answer info)
{
    /// <summary>Serves one request.</summary>
    /// <param name="channel">Where it came in.</param>
    /// <param name="connected">The connection that the channel belongs to.</param>
    /// <param name="epoch">Of the caller's read-side critical section, which this method ends.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal RequestOutcome Serve(Channel channel, ChannelSet connected, int epoch)
    {
        var section = new ReadSection(channel, epoch);
        try
        {
            Request request = default;
            CopyResult read = Read(channel, Request.Bytes(ref request));
            if (!BitConverter.IsLittleEndian)
            {
                request = request.Reversed();
            }

            if (read == CopyResult.NotGuestMemory)
            {
                rules.Refusals.Count(DeviceError.BUFFER_UNREADABLE);
                return RequestOutcome.Unanswered;
            }

            Answer answer;
            if (read == CopyResult.Fault)
            {
                request = default;
                answer = rules.Refuse(request, DeviceError.BUFFER_UNREADABLE);
            }
            else if (!TryProcess(channel, connected, request, ref section, out answer))
            {
                return RequestOutcome.Disconnected;
            }

            Answer bytes = BitConverter.IsLittleEndian ? answer : answer.Reversed();
            CopyResult written = Write(channel, Answer.Bytes(ref bytes));
            if (switches.DirtyLogging && written != CopyResult.NotGuestMemory)
            {
                // Also after a fault: a buffer in two segments may have been written in the first.
                dirtyLog?.MarkDirty(channel.BufferAddress, Request.Size);
            }

            return written == CopyResult.Copied ? RequestOutcome.Answered : RequestOutcome.Unanswered;
        }
        finally
        {
            section.End();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryProcess(Channel channel, ChannelSet connected, in Request request, ref ReadSection section, out Answer answer)
    {
        Function? function = rules.Find(request);
        if (function is null)
        {
            answer = rules.Refuse(request, DeviceError.UNKNOWN_FUNCTION);
            return true;
        }

        if (function.Effect == FunctionEffect.Information)
        {
            answer = info;
            channel.Count(function, 0, isError: false);
            return true;
        }

        if (!rules.Allows(function))
        {
            answer = rules.Refuse(request, DeviceError.DENIED);
            channel.Count(function, 0, isError: true);
            return true;
        }

        if (function.Effect == FunctionEffect.Attribute)
        {
            bool connectedStill = attributes.TryServe(channel, connected, function, request, ref section, out Answer changed);
            answer = changed;
            return connectedStill;
        }

        if (request.IsList)
        {
            answer = advice.ServeList(channel, function, request);
            return true;
        }

        answer = advice.Serve(function, request);
        channel.Count(function, request.Length, answer.IsError);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CopyResult Read(Channel channel, Span<byte> buffer)
    {
        nuint host = channel.BufferHostAddress;
        return host != 0 ? memory.ReadHost(host, buffer) : memory.Read(channel.BufferAddress, buffer);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CopyResult Write(Channel channel, ReadOnlySpan<byte> buffer)
    {
        nuint host = channel.BufferHostAddress;
        return host != 0 ? memory.WriteHost(host, buffer) : memory.Write(channel.BufferAddress, buffer);
    }
}
