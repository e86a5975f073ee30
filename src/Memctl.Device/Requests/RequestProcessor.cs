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
    AttributePath attributes,
    AdvicePath advice,
    GuestMemory memory,
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
            Answer answer;
            CopyResult read = Read(channel, Request.Bytes(ref request));
            if (!BitConverter.IsLittleEndian)
            {
                request = request.Reversed();
            }

            if (read != CopyResult.Copied)
            {
                if (!TryRefuseUnread(read, out answer))
                {
                    return RequestOutcome.Unanswered;
                }
            }
            else if (!advice.TryServePlain(channel, request, out answer) &&
                !TryAnswerInfo(channel, request, out answer) &&
                !TryProcess(channel, connected, request, ref section, out answer))
            {
                return RequestOutcome.Disconnected;
            }

            if (!BitConverter.IsLittleEndian)
            {
                answer = answer.Reversed();
            }

            CopyResult written = Write(channel, Answer.Bytes(ref answer));
            if (memory.DirtyLogging)
            {
                MarkAnswer(channel, written);
            }

            return written == CopyResult.Copied ? RequestOutcome.Answered : RequestOutcome.Unanswered;
        }
        finally
        {
            section.End();
        }
    }

    /// <summary>Refuses what could not be read; false if there is nowhere to write the refusal.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryRefuseUnread(CopyResult read, out Answer answer)
    {
        if (read == CopyResult.NotGuestMemory)
        {
            rules.Refusals.Count(DeviceError.BUFFER_UNREADABLE);
            answer = default;
            return false;
        }

        answer = rules.Refuse(default, DeviceError.BUFFER_UNREADABLE);
        return true;
    }

    /// <summary>Answers INFO, the same every time, where the code of a plain request lies.</summary>
    /// <returns>False for any other request.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryAnswerInfo(Channel channel, in Request request, out Answer answer)
    {
        if (request.FuncCode != FunctionTable.Info)
        {
            answer = default;
            return false;
        }

        channel.Count(FunctionTable.Info, 0, isError: false);
        answer = info;
        return true;
    }

    /// <summary>Serves any other request. Apart, so that the code of a plain one lies together.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryProcess(Channel channel, ChannelSet connected, in Request request, ref ReadSection section, out Answer answer)
    {
        Function? function = rules.Find(request);
        if (function is null)
        {
            answer = rules.Refuse(request, DeviceError.UNKNOWN_FUNCTION);
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
            return attributes.TryServe(channel, connected, function, request, ref section, out answer);
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void MarkAnswer(Channel channel, CopyResult written)
    {
        // Also after a fault: a buffer in two segments may have been written in the first.
        if (written != CopyResult.NotGuestMemory)
        {
            memory.MarkDirty(channel.BufferAddress, Request.Size);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CopyResult Read(Channel channel, Span<byte> buffer)
    {
        nuint host = channel.BufferHostAddress;
        return host != 0 && memory.TryRead(host, buffer) ? CopyResult.Copied : ReadAnyhow(channel, host, buffer);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CopyResult Write(Channel channel, ReadOnlySpan<byte> buffer)
    {
        nuint host = channel.BufferHostAddress;
        return host != 0 && memory.TryWrite(host, buffer) ? CopyResult.Copied : WriteAnyhow(channel, host, buffer);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private CopyResult ReadAnyhow(Channel channel, nuint faulted, Span<byte> buffer) =>
        faulted != 0 ? CopyResult.Fault : memory.Read(channel.BufferAddress, buffer);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private CopyResult WriteAnyhow(Channel channel, nuint faulted, ReadOnlySpan<byte> buffer) =>
        faulted != 0 ? CopyResult.Fault : memory.Write(channel.BufferAddress, buffer);
}
