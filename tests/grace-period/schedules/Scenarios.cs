using Memctl.Device.Channels;
using Memctl.Device.Protocol;

namespace Memctl.Schedules;

/// <summary>Threads over one device, made anew for each run.</summary>
/// <param name="Threads">What each does.</param>
/// <param name="Finally">What is wrong when all have ended, if anything is.</param>
internal sealed record Scene(IReadOnlyList<(string Name, Action Body)> Threads, Func<string?>? Finally = null);

/// <summary>What is explored, each with how many deviations.</summary>
internal static class Scenarios
{
    private const ulong Buffer = World.High;
    private const ulong OtherBuffer = World.High + 64;
    private const ulong NextBuffer = World.High + 128;

    /// <summary>The most of them.</summary>
    internal const int MaxBudget = 3;

    /// <summary>Those with the fewest schedules first.</summary>
    internal static readonly (string Name, int Budget, Func<Scene> Make)[] All =
    [
        ("a stream of requests that overlap", 3, Stream),
        ("discards while they are inhibited", 3, Inhibit),
        ("changes while they are logged", 3, LogDirty),
        ("reports of changes when they end", 3, EndLog),
        ("a discard of memory that goes away", 3, () => Unregister(World.Discard(World.Low))),
        ("a lock of memory that goes away", 3, () => Unregister(World.Lock(World.Low))),
        ("a discard of a block that is unplugged", 3, () => Unplug(World.Discard(World.Blocks))),
        ("a lock of a block that is unplugged", 3, () => Unplug(World.Lock(World.Blocks))),
        ("memory that goes away after another grace period", 3, UnregisterAfterAnother),
        ("a discard whose channel is given to another buffer", 3, () => Reset(World.Discard(World.Low))),
        ("a lock whose channel is given to another buffer", 3, () => Reset(World.Lock(World.Low))),
        ("a request whose buffer goes away", 3, UnregisterBuffer),
        ("two grace periods at once", 2, TwoControlCalls),
        ("two vCPUs on one channel that is given to another buffer", 2, ResetShared),
        ("three grace periods at once", 2, ThreeControlCalls),
        ("protections, a reset, and switches at once", 1, Everything),
    ];

    private static Scene Unregister(Request request)
    {
        World world = new World().Connect((Buffer, request));
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", world.TakeLowAway),
        ]);
    }

    private static Scene Unplug(Request request)
    {
        World world = new World().Plug().Connect((Buffer, request));
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", world.Unplug),
        ]);
    }

    private static Scene UnregisterBuffer()
    {
        World world = new World().Connect((World.Low, World.Discard(World.High)));
        return new Scene(
        [
            ("vCPU", () =>
            {
                world.Call(0);
                World.Pause();
                world.Call(0);
            }),
            ("VMM", world.TakeLowAway),
        ]);
    }

    /// <summary>The one before changes which epoch is the current.</summary>
    private static Scene UnregisterAfterAnother()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", () =>
            {
                world.Device.SetDirtyLogging(true);
                World.Pause();
                world.TakeLowAway();
            }),
        ]);
    }

    private static Scene Reset(Request request)
    {
        World world = new World().Connect((Buffer, request));
        return new Scene(
        [
            ("vCPU 0", () => world.Call(0)),
            ("vCPU 1", () => Reconnect(world, request)),
        ]);
    }

    private static Scene ResetShared()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        return new Scene(
        [
            ("vCPU 0", () => world.Call(0)),
            ("vCPU 1", () => world.Call(0)),
            ("vCPU 2", () => Reconnect(world, World.Discard(World.Low))),
        ]);
    }

    private static void Reconnect(World world, Request request)
    {
        world.Fill(NextBuffer, request);
        world.Command(TransportCommand.RESET);
        world.Forbid(Buffer, Request.Size, "the buffer of a channel that RESET took away");
        world.Forbid(NextBuffer, Request.Size, "a buffer that is not connected yet");
        World.Pause();
        world.Register(NextBuffer);
        World.Pause();
        world.Allow(NextBuffer);
        world.Command(TransportCommand.READY);
    }

    private static Scene Inhibit()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", () =>
            {
                world.Device.InhibitDiscard(true);
                world.IsDiscardInhibited = true;
            }),
        ]);
    }

    private static Scene LogDirty()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", () =>
            {
                world.Device.SetDirtyLogging(true);
                world.IsDirtyLogged = true;
            }),
        ],
        () => world.HasUnreported ? "A change of guest memory was not reported." : null);
    }

    private static Scene EndLog()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        world.Device.SetDirtyLogging(true);
        return new Scene(
        [
            ("vCPU", () => world.Call(0)),
            ("VMM", () =>
            {
                world.Device.SetDirtyLogging(false);
                world.IsDirtyLogOver = true;
            }),
        ]);
    }

    private static Scene TwoControlCalls()
    {
        World world = new World().Connect((Buffer, World.Discard(World.Low)));
        return new Scene(
        [
            ("vCPU 0", () => world.Call(0)),
            ("vCPU 1", () =>
            {
                world.Command(TransportCommand.DISCONNECT);
                world.Forbid(Buffer, Request.Size, "the buffer of a channel that DISCONNECT took away");
            }),
            ("VMM", world.TakeLowAway),
        ]);
    }

    private static Scene Everything()
    {
        World world = new World().Connect((Buffer, World.Close(World.Low)), (OtherBuffer, World.Lock(World.Low)));
        return new Scene(
        [
            ("vCPU 0", () => world.Call(0)),
            ("vCPU 1", () =>
            {
                world.Call(1);
                World.Pause();
                world.Command(TransportCommand.RESET);
            }),
            ("VMM", () =>
            {
                world.Device.KeepAccessible(true);
                World.Pause();
                world.Device.Save();
                World.Pause();
                world.TakeLowAway();
            }),
        ]);
    }

    /// <summary>One replaces what a request may use; the others change epochs under it.</summary>
    private static Scene ThreeControlCalls()
    {
        (ChannelTable channels, ChannelSet connected, Channel channel) = Connect();
        string used = "the old";
        bool isGone = false;
        return new Scene(
        [
            ("vCPU", () =>
            {
                channels.TryReadLock(connected, channel, out int epoch);
                string seen = Volatile.Read(ref used);
                World.Pause();
                World.Check(!isGone || seen != "the old", "A request used what was gone.");
                channel.ReadUnlock(epoch);
            }),
            ("one", channels.Synchronize),
            ("another", channels.Synchronize),
            ("VMM", () =>
            {
                Volatile.Write(ref used, "the new");
                channels.Synchronize();
                isGone = true;
            }),
        ]);
    }

    /// <summary>
    /// One thread stands for two vCPUs that share a channel: there is no moment without a request. It gives the control call a look
    /// after each, so that one which does not end is held up by requests that began after it.
    /// </summary>
    private static Scene Stream()
    {
        const int Enough = 6;
        (ChannelTable channels, ChannelSet connected, Channel channel) = Connect();
        bool hasEnded = false;
        return new Scene(
        [
            ("vCPUs", () =>
            {
                channels.TryReadLock(connected, channel, out int last);
                for (int request = 0; !hasEnded; request++)
                {
                    World.Check(request < Enough, "A stream of requests holds a grace period up.");
                    channels.TryReadLock(connected, channel, out int next);
                    channel.ReadUnlock(last);
                    last = next;
                    int looks = Run.Current!.Spins;
                    Run.Step(new Operation("(the control call looks)"), () => hasEnded || Run.Current!.Spins != looks);
                }

                channel.ReadUnlock(last);
            }),
            ("VMM", () =>
            {
                channels.Synchronize();
                hasEnded = true;
            }),
        ]);
    }

    private static (ChannelTable Channels, ChannelSet Connected, Channel Channel) Connect()
    {
        var channels = new ChannelTable(1);
        channels.TryAdd(Buffer);
        channels.Connect();
        ChannelSet connected = channels.Connected!;
        return (channels, connected, connected.Channels[0]);
    }
}
