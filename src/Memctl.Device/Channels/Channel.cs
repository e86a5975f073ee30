using System.Runtime.CompilerServices;
using Memctl.Device.Functions;

namespace Memctl.Device.Channels;

/// <summary>
/// A guest CPU's way to the device (protocol, "Channels"): where its buffer is, and what it has asked for. Made once for each
/// number and used again after RESET.
/// </summary>
/// <remarks>
/// Counters are not atomic: a driver has a channel for each CPU, and a guest that shares one among CPUs may lose counts of its
/// own. The counts of read-side critical sections are atomic, since the host relies on them.
/// </remarks>
public sealed class Channel
{
    private ChannelState _state;

    /// <summary>Guest-physical address of the buffer. Set while the channel is not connected.</summary>
    public ulong BufferAddress
    {
        get => _state.BufferAddress;
        internal set => _state.BufferAddress = value;
    }

    /// <summary>
    /// Where the buffer is mapped, if it is one stretch of memory; 0 if it is to be looked up. Read it in a read-side critical
    /// section: it is taken back before the memory goes away.
    /// </summary>
    public nuint BufferHostAddress
    {
        get => Volatile.Read(ref _state.BufferHostAddress);
        internal set => Volatile.Write(ref _state.BufferHostAddress, value);
    }

    /// <summary>Counts a request that was answered.</summary>
    /// <param name="function">What it asked for.</param>
    /// <param name="bytes">The length that it acted on.</param>
    /// <param name="isError">Whether the answer has an errno.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Count(Function function, ulong bytes, bool isError) => Count(function.Index, bytes, isError);

    /// <summary>The same by <see cref="Function.Index"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Count(int function, ulong bytes, bool isError)
    {
        ref FunctionCounters counters = ref _state.Counters[function];
        counters.Requests++;
        if (isError)
        {
            counters.Errors++;
        }
        else
        {
            counters.Bytes += bytes;
        }
    }

    /// <summary>Adds this channel's counters of a function to a sum. May be called by any thread.</summary>
    internal void AddTo(ref FunctionCounters sum, Function function)
    {
        ref FunctionCounters counters = ref _state.Counters[function.Index];
        sum.Requests += Volatile.Read(ref counters.Requests);
        sum.Errors += Volatile.Read(ref counters.Errors);
        sum.Bytes += Volatile.Read(ref counters.Bytes);
    }

    /// <summary>
    /// Begins a read-side critical section; see <see cref="ChannelTable.TryReadLock"/>. May be called by any thread.
    /// </summary>
    public void ReadLock(int epoch) => Interlocked.Increment(ref _state.Readers[epoch & 1]);

    /// <summary>Ends a read-side critical section. May be called by any thread.</summary>
    public void ReadUnlock(int epoch) => Interlocked.Decrement(ref _state.Readers[epoch & 1]);

    internal bool IsQuiescent(int epoch) => Volatile.Read(ref _state.Readers[epoch & 1]) == 0;
}
