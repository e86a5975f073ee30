using System.Runtime.CompilerServices;
using Memctl.Device.Channels;
using Memctl.Device.Functions;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Device.Options;
using Memctl.Device.Protocol;

namespace Memctl.Device.Requests;

/// <summary>
/// Discards and hints: functions that are one madvise(2) on each segment (protocol, "Order of checks"). Runs inside a read-side
/// critical section.
/// </summary>
internal sealed class AdvicePath(DeviceOptions options, RequestRules rules, TimeProvider clock, GuestMemory memory, IHostCalls calls)
{
    // One host call takes at most this much of a list, so that the time limit is looked at in between: a few milliseconds of
    // resident pages of 4 KiB.
    private const ulong MaxBatchBytes = 16ul << 20;

    // Beside the table, for TryServePlain.
    private readonly ulong _pageMask = rules.PageMask;
    private readonly PlainAdviceTable _plain = PlainAdviceTable.Of(options);
    private readonly RateLimit _pageOut = new(options.MaxPageOut, TimeSpan.FromSeconds(1), clock);

    /// <summary>
    /// Serves what nearly every request is: a function of <see cref="PlainAdviceTable"/> on whole pages of one region.
    /// </summary>
    /// <returns>False, with nothing done, for any other request.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryServePlain(Channel channel, in Request request, out Answer answer)
    {
        PlainAdvice plain = _plain.Find(request.FuncCode);
        ulong addr = request.Addr;
        ulong length = request.Length;
        nuint host = 0;
        if (!plain.IsNone && ((addr | length) & _pageMask) == 0 && !(plain.Drops && memory.DiscardInhibited))
        {
            host = memory.Map.HostAddressOf(addr, length);
        }

        if (host == 0)
        {
            answer = default;
            return false;
        }

        int errno = calls.Advise(host, (nuint)length, plain.Advice);
        if (plain.Drops && memory.DirtyLogging)
        {
            // The whole range even after an error: the kernel may have dropped a part of it.
            memory.MarkDirty(addr, length);
        }

        channel.Count(plain.Index, length, isError: errno != 0);
        answer = Answer.FromHost(errno);
        return true;
    }

    /// <summary>Serves a request about one range.</summary>
    internal Answer Serve(Function function, in Request request)
    {
        DeviceError error = Advise(function, request.Addr, request.Length, out int errno);
        return error != DeviceError.NONE ? rules.Refuse(request, error) : Answer.FromHost(errno);
    }

    /// <summary>Serves a request about a list, in batches, until it ends or the time is over.</summary>
    internal Answer ServeList(Channel channel, Function function, in Request request)
    {
        Span<byte> copy = stackalloc byte[RangeList.MaxSize];
        DeviceError error = rules.ReadList(request, copy, out RangeList list);
        if (error != DeviceError.NONE)
        {
            channel.Count(function, 0, isError: true);
            return rules.Refuse(request, error);
        }

        long start = clock.GetTimestamp();
        int done = 0;
        int alone = 0;
        do
        {
            int end = done < alone ? done : AdviseBatch(channel, function, list, done, out alone);
            if (end == done && end < list.Count)
            {
                // What no batch takes is carried out alone, and so are the entries of a batch that failed: the answer is that of
                // the one at fault.
                (ulong addr, ulong length) = list[done];
                error = Advise(function, addr, length, out int errno);
                channel.Count(function, length, error != DeviceError.NONE || errno != 0);
                if (error != DeviceError.NONE)
                {
                    return rules.Refuse(request, error, done);
                }

                if (errno != 0)
                {
                    return Answer.FromHost(errno, done);
                }

                end++;
            }

            done = end;
        }
        while (done < list.Count && clock.GetElapsedTime(start) < options.MaxRequestTime);

        return Answer.FromHost(0, done);
    }

    private DeviceError Advise(Function function, ulong addr, ulong length, out int errno)
    {
        errno = 0;

        // What is checked is what is walked: the map may be replaced meanwhile, but what it describes stays until this section
        // ends.
        RegionMap map = memory.Map;
        DeviceError error = rules.CheckRange(map, addr, length);
        if (error != DeviceError.NONE || length == 0)
        {
            return error;
        }

        bool drops = function.Effect == FunctionEffect.Discard;
        if (drops && memory.DiscardInhibited)
        {
            return DeviceError.DISCARD_INHIBITED;
        }

        if (function.IsPaced && !_pageOut.TryTake(length))
        {
            return DeviceError.PAGEOUT_BUDGET;
        }

        errno = AdviseSegments(map, addr, length, function.Advice);
        if (drops && memory.DirtyLogging)
        {
            // As for a plain one.
            memory.MarkDirty(addr, length);
        }

        return DeviceError.NONE;
    }

    private int AdviseSegments(RegionMap map, ulong addr, ulong length, MemoryAdvice advice)
    {
        foreach (MemorySegment segment in map.Segments(addr, length))
        {
            int errno = calls.Advise(segment.HostAddress, (nuint)segment.Length, advice);
            if (errno != 0)
            {
                return errno;
            }
        }

        return 0;
    }

    /// <summary>Carries out entries from one on in one call to the kernel, neighbours joined.</summary>
    /// <param name="channel">Counts them.</param>
    /// <param name="function">What to do.</param>
    /// <param name="list">The entries.</param>
    /// <param name="first">Where to begin.</param>
    /// <param name="alone">Entries before this one must be carried out alone.</param>
    /// <returns>The entry after the last one carried out; <paramref name="first"/> if none was.</returns>
    private int AdviseBatch(Channel channel, Function function, in RangeList list, int first, out int alone)
    {
        alone = first + 1;
        bool drops = function.Effect == FunctionEffect.Discard;
        if (function.IsPaced || (drops && memory.DiscardInhibited))
        {
            return first;
        }

        RegionMap map = memory.Map;
        Span<HostRange> ranges = stackalloc HostRange[HostRange.MaxInCall];
        int count = 0;
        int end = first;
        ulong bytes = 0;
        for (; end < list.Count && bytes < MaxBatchBytes; end++)
        {
            (ulong addr, ulong length) = list[end];
            if (rules.CheckRange(map, addr, length) != DeviceError.NONE || !TryAppend(map, ranges, ref count, addr, length))
            {
                break;
            }

            bytes += length;
        }

        if (count == 0)
        {
            CountAll(channel, function, list, first, end);
            return end;
        }

        int errno = calls.AdviseAll(ranges[..count], function.Advice);
        if (drops && memory.DirtyLogging)
        {
            for (int entry = first; entry < end; entry++)
            {
                (ulong addr, ulong length) = list[entry];
                if (length != 0)
                {
                    memory.MarkDirty(addr, length);
                }
            }
        }

        if (errno != 0)
        {
            alone = end;
            return first;
        }

        CountAll(channel, function, list, first, end);
        return end;
    }

    /// <summary>
    /// Adds a range's segments, joined with what they adjoin in the host. False, with nothing added, if there is no room.
    /// </summary>
    private static bool TryAppend(RegionMap map, Span<HostRange> ranges, ref int count, ulong addr, ulong length)
    {
        int before = count;
        HostRange last = count > 0 ? ranges[count - 1] : default;
        foreach (MemorySegment segment in map.Segments(addr, length))
        {
            if (count > 0 && ranges[count - 1].End == segment.HostAddress)
            {
                ranges[count - 1] = ranges[count - 1].Extended((nuint)segment.Length);
            }
            else if (count < ranges.Length)
            {
                ranges[count++] = new HostRange(segment.HostAddress, (nuint)segment.Length);
            }
            else
            {
                if (before > 0)
                {
                    ranges[before - 1] = last;
                }

                count = before;
                return false;
            }
        }

        return true;
    }

    private static void CountAll(Channel channel, Function function, in RangeList list, int first, int end)
    {
        for (int entry = first; entry < end; entry++)
        {
            channel.Count(function, list[entry].Length, isError: false);
        }
    }
}
