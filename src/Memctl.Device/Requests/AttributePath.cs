using Memctl.Device.Attributes;
using Memctl.Device.Channels;
using Memctl.Device.Functions;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>
/// Functions that change attributes (protocol, "Attributes"). The host call may take as long as the guest likes, so it is made
/// outside of the read-side critical section: who must not overtake it waits for the change itself.
/// </summary>
internal sealed class AttributePath(
    DeviceOptions options, GuestMemory memory, RequestRules rules, GuestAttributes attributes, ChannelTable channels, TimeProvider clock)
{
    /// <summary>Serves a request about one range or a list.</summary>
    /// <param name="channel">Where it came in.</param>
    /// <param name="connected">The connection that the channel belongs to.</param>
    /// <param name="function">What it asks for.</param>
    /// <param name="request">A copy of it.</param>
    /// <param name="section">The caller's section: left for the change, entered again when this returns true.</param>
    /// <param name="answer">What to answer.</param>
    /// <returns>
    /// False if the guest disconnected before the change began: nothing was done, and there is nothing to answer.
    /// </returns>
    internal bool TryServe(
        Channel channel, ChannelSet connected, Function function, in Request request, ref ReadSection section, out Answer answer)
    {
        // Read here, where the list's memory can't go away.
        Span<byte> copy = stackalloc byte[request.IsList ? RangeList.MaxSize : 0];
        scoped RangeList list = default;
        DeviceError error = request.IsList
            ? rules.ReadList(request, copy, out list)
            : rules.CheckRange(memory.Map, request.Addr, request.Length);
        if (error != DeviceError.NONE)
        {
            channel.Count(function, 0, isError: true);
            answer = rules.Refuse(request, error);
            return true;
        }

        section.End();
        attributes.BeginChange();
        try
        {
            if (channels.Connected != connected)
            {
                answer = default;
                return false;
            }

            answer = request.IsList
                ? ChangeAll(channel, connected, function, request, list)
                : Change(channel, connected, function, request, new GuestRange(request.Addr, request.Length), done: 0);

            // Before the next change: whoever disconnects waits for this one, and then for sections.
            section.Begin(channels);
            return true;
        }
        finally
        {
            attributes.EndChange();
        }
    }

    private Answer ChangeAll(Channel channel, ChannelSet connected, Function function, in Request request, in RangeList list)
    {
        long start = clock.GetTimestamp();
        int done = 0;
        while (done < list.Count)
        {
            Answer answer = Change(channel, connected, function, request, list[done], done);
            if (answer.IsError)
            {
                return answer;
            }

            done++;
            if (clock.GetElapsedTime(start) >= options.MaxRequestTime)
            {
                break;
            }
        }

        return Answer.FromHost(0, done);
    }

    private Answer Change(
        Channel channel, ChannelSet connected, Function function, in Request request, GuestRange range, int done)
    {
        (ulong addr, ulong length) = range;
        RegionMap map = memory.Map;
        DeviceError error = request.IsList ? rules.CheckRange(map, addr, length) : DeviceError.NONE;
        int errno = 0;
        if (error == DeviceError.NONE && length != 0)
        {
            var change = AttributeChange.By(function, request.Arg);
            if (!rules.Allows(function, map, addr, length))
            {
                error = DeviceError.DENIED;
            }
            else if (change.Protects && connected.HasBufferIn(addr, addr + length))
            {
                error = DeviceError.HOLDS_BUFFER;
            }
            else
            {
                errno = attributes.Apply(addr, length, change, out error);
            }
        }

        channel.Count(function, length, error != DeviceError.NONE || errno != 0);
        return error != DeviceError.NONE ? rules.Refuse(request, error, done) : Answer.FromHost(errno, done);
    }
}
