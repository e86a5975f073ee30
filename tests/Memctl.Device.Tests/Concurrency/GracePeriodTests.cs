using Memctl.Device.Channels;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Concurrency;

/// <summary>A request that the kernel holds up: what must wait for it, and what must not.</summary>
public sealed class GracePeriodTests
{
    /// <summary>How long a call must be seen not to return. A longer wait finds no more: what it waits for is already set up.</summary>
    private static readonly TimeSpan _held = TimeSpan.FromMilliseconds(100);

    /// <summary>What takes something away from requests, and so waits for those in progress.</summary>
    private static readonly Dictionary<string, Action<TestGuest>> _control = new()
    {
        ["unregister"] = guest => guest.Device.UnregisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low),
        ["RESET"] = guest => guest.Command(Wire.RESET),
        ["DISCONNECT"] = guest => guest.Command(Wire.DISCONNECT),
        ["reset"] = guest => guest.Device.Reset(),
        ["stop"] = guest => guest.Device.Stop(),
        ["inhibit"] = guest => guest.Device.InhibitDiscard(true),
        ["dirty log"] = guest => guest.Device.SetDirtyLogging(true),
    };

    /// <summary>Their names.</summary>
    public static TheoryData<string> Waiting => [.. _control.Keys];

    [Theory]
    [MemberData(nameof(Waiting))]
    public void Control_WhileARequestIsInTheKernel_ReturnsOnlyAfterItsAnswer(string what)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        guest.Calls.Answer = call => Hold(call.What == "DontNeed", entered, release);
        var request = Worker.Start(() => Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", TestGuest.Low, Wire.Page)));
        Assert.True(entered.Wait(Worker.Bound));

        bool answered = false;
        var control = Worker.Start(() =>
        {
            _control[what](guest);
            answered = guest.Memory.Peek(TestGuest.FarHost, 32).AsSpan().SequenceEqual(Wire.Answer(0));
        });

        Assert.False(control.EndsWithin(_held), $"{what} returned while a request was in the kernel.");
        release.Set();
        control.Finish();
        request.Finish();
        Assert.True(answered, $"{what} returned before the request's answer was written.");
    }

    /// <summary>What a VMM does while a guest's MLOCK takes its time, on other memory.</summary>
    private static readonly Dictionary<string, Action<TestGuest>> _unrelated = new()
    {
        ["statistics"] = guest => guest.Device.Counters(),
        ["save"] = guest => guest.Device.Save(),
        ["attributes"] = guest => guest.Device.Attributes(),
        ["inhibit"] = guest => guest.Device.InhibitDiscard(true),
        ["dirty log"] = guest => guest.Device.SetDirtyLogging(true),
        ["keep readable"] = guest => guest.Device.KeepReadable(true),
        ["register"] = guest => guest.AddRegion(1ul << 40, Wire.Page, 0x7400_0000_0000),
        ["unregister"] = guest => guest.Device.UnregisterMemory(TestGuest.High, TestGuest.HighEnd - TestGuest.High),
        ["a discard"] = guest => guest.Request("DONTNEED", TestGuest.High, Wire.Page, channel: 1),
    };

    /// <summary>Their names.</summary>
    public static TheoryData<string> Unrelated => [.. _unrelated.Keys];

    [Theory]
    [MemberData(nameof(Unrelated))]
    public void Control_WhileALockIsInTheKernel_DoesNotWaitForIt(string what)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        guest.Calls.Answer = call => Hold(call.What == "mlock2", entered, release);
        var request = Worker.Start(() => Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", TestGuest.Low, Wire.Page)));
        Assert.True(entered.Wait(Worker.Bound));

        Worker.Start(() => _unrelated[what](guest)).Finish();

        Assert.False(request.EndsWithin(TimeSpan.Zero));
        release.Set();
        request.Finish();
    }

    [Theory]
    [InlineData("unregister")]
    [InlineData("RESET")]
    [InlineData("DISCONNECT")]
    [InlineData("reset")]
    [InlineData("stop")]
    public void Control_ThatMustUndoALockInTheKernel_ReturnsOnlyAfterItsAnswer(string what)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        guest.Calls.Answer = call => Hold(call.What == "mlock2", entered, release);
        var request = Worker.Start(() => guest.Request("MLOCK", TestGuest.Low, Wire.Page));
        Assert.True(entered.Wait(Worker.Bound));

        bool answered = false;
        var control = Worker.Start(() =>
        {
            _control[what](guest);
            answered = guest.Memory.Peek(TestGuest.FarHost, 32).AsSpan().SequenceEqual(Wire.Answer(0));
        });

        Assert.False(control.EndsWithin(_held), $"{what} returned while a lock was in the kernel.");
        release.Set();
        control.Finish();
        request.Finish();
        Assert.True(answered, $"{what} returned before the lock's answer was written.");
    }

    [Fact]
    public void Requests_WhileUnregisterWaits_GoOnAndNoLongerSeeTheRegion()
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        guest.Calls.Answer = call => Hold(call.What == "Free", entered, release);
        var held = Worker.Start(() => guest.Request("FREE", TestGuest.Low, Wire.Page));
        Assert.True(entered.Wait(Worker.Bound));
        var unregister = Worker.Start(() => _control["unregister"](guest));

        Assert.True(SpinWait.SpinUntil(
            () => Wire.Errno(guest.Request("DONTNEED", TestGuest.Low, Wire.Page, channel: 1)) == Wire.EINVAL, Worker.Bound));
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", TestGuest.High, Wire.Page, channel: 1));

        Assert.False(unregister.EndsWithin(TimeSpan.Zero));
        release.Set();
        held.Finish();
        unregister.Finish();
    }

    [Fact]
    public void Control_UnderAStreamOfRequests_IsNotStarved()
    {
        TestGuest guest = TestGuest.Connected(channels: 3);
        bool stop = false;
        Worker[] streams =
        [
            .. Enumerable.Range(0, 3).Select(channel => Worker.Start(() =>
            {
                while (!Volatile.Read(ref stop))
                {
                    guest.Request("DONTNEED", TestGuest.High, Wire.Page, channel: channel);
                }
            })),
        ];

        var control = Worker.Start(() =>
        {
            for (int round = 0; round < 200; round++)
            {
                guest.Device.UnregisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low);
                guest.Device.RegisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low, unchecked((nuint)TestGuest.LowHost), 0);
            }
        });

        control.Finish();
        Volatile.Write(ref stop, true);
        Array.ForEach(streams, stream => stream.Finish());
    }

    /// <summary>
    /// The request stands between taking its channel and looking whether the guest is still connected when RESET runs and gives
    /// the channel another buffer. It must then not be served there.
    /// </summary>
    [Fact]
    public void Request_OvertakenByReset_NeverAnswersInABufferOfTheNextConnection()
    {
        var guest = new TestGuest("max_log_lines=0");
        byte[] quiet = new byte[32];
        quiet.AsSpan().Fill(0xC7);
        bool stop = false;
        ulong[] buffers = [TestGuest.Far, TestGuest.Far + 512];
        Worker[] streams =
        [
            .. Enumerable.Range(0, 8).Select(_ => Worker.Start(() =>
            {
                while (!Volatile.Read(ref stop))
                {
                    guest.Command(TestGuest.ChannelCommand(0));
                }
            })),
        ];

        for (int round = 0; round < 3000; round++)
        {
            guest.Command(Wire.RESET);
            ulong host = TestGuest.HostOf(buffers[round % 2]);
            guest.Memory.Poke(host, quiet);
            guest.Register(buffers[round % 2]);
            Thread.SpinWait(round % 200);
            byte[] before = guest.Memory.Peek(host, 32);
            Assert.True(before.AsSpan().SequenceEqual(quiet), $"round {round}: a request of the last connection was served.");
            guest.Command(Wire.READY);
        }

        Volatile.Write(ref stop, true);
        Array.ForEach(streams, stream => stream.Finish());
    }

    /// <summary>The same without the race: what a request does that has read the connection before RESET took it away.</summary>
    [Fact]
    public void TryReadLock_OfAConnectionThatIsGone_LetsNoRequestInAndHoldsUpNobody()
    {
        var channels = new ChannelTable(1);
        ChannelSet first = Connect(channels, TestGuest.Far);
        Channel channel = first.Channels[0];
        channels.Disconnect();
        channels.Forget();
        Assert.False(channels.TryReadLock(first, channel, out _));

        ChannelSet second = Connect(channels, TestGuest.Far + 512);

        Assert.Same(channel, second.Channels[0]);
        Assert.False(channels.TryReadLock(first, channel, out _));
        Assert.True(channels.TryReadLock(second, channel, out int epoch));
        channels.Disconnect();
        var disconnect = Worker.Start(channels.Forget);
        Assert.False(disconnect.EndsWithin(_held), "A channel was taken away from a request in progress.");
        channel.ReadUnlock(epoch);
        disconnect.Finish();
    }

    /// <summary>
    /// A request may announce itself in either count, whatever the present one is: it may have read which one long ago. Waiting for
    /// one alone would miss it every other time.
    /// </summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    public void Synchronize_WithARequestInEitherCount_WaitsForIt(int waitsBefore, int epoch)
    {
        var channels = new ChannelTable(1);
        Channel channel = Connect(channels, TestGuest.Far).Channels[0];
        for (int wait = 0; wait < waitsBefore; wait++)
        {
            channels.Synchronize();
        }

        channel.ReadLock(epoch);
        var control = Worker.Start(channels.Synchronize);
        Assert.False(control.EndsWithin(_held), "A request in progress was missed.");
        channel.ReadUnlock(epoch);
        control.Finish();
    }

    /// <summary>vCPUs that share a channel, one always announced before the last has left: there is no moment without a request.</summary>
    [Fact]
    public void Synchronize_OnAChannelThatIsNeverIdle_Ends()
    {
        var channels = new ChannelTable(1);
        ChannelSet connected = Connect(channels, TestGuest.Far);
        Channel channel = connected.Channels[0];
        Assert.True(channels.TryReadLock(connected, channel, out int last));
        var control = Worker.Start(channels.Synchronize);

        bool ended = SpinWait.SpinUntil(
            () =>
            {
                Assert.True(channels.TryReadLock(connected, channel, out int next));
                channel.ReadUnlock(last);
                last = next;
                return control.EndsWithin(TimeSpan.Zero);
            },
            Worker.Bound);

        channel.ReadUnlock(last);
        control.Finish();
        Assert.True(ended, "A stream of requests held up the control path.");
    }

    /// <summary>The record of a request on a channel that there is not, and of one whose answer can't be written.</summary>
    [Theory]
    [InlineData(201, 77)]
    [InlineData(203, 0)]
    public void LogSink_ThatBlocksOnAnIgnoredRequest_HoldsUpNobodyElse(int record, int channel)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        guest.Memory.Allow = (address, writes) => !writes || address != TestGuest.HostOf(TestGuest.BufferOf(0));
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        guest.Log.OnRecord = id => Hold(id == record, entered, release);
        var blocked = Worker.Start(() => guest.Command(TestGuest.ChannelCommand(channel)));
        Assert.True(entered.Wait(Worker.Bound));

        Assert.Equal(0, Wire.Errno(guest.Request("INFO", channel: 1)));
        Worker.Start(() => guest.Command(Wire.RESET)).Finish();
        Worker.Start(() => _control["unregister"](guest)).Finish();

        release.Set();
        blocked.Finish();
    }

    private static ChannelSet Connect(ChannelTable channels, ulong buffer)
    {
        Assert.True(channels.TryAdd(buffer));
        channels.Connect();
        return Assert.IsType<ChannelSet>(channels.Connected);
    }

    private static int Hold(bool holds, ManualResetEventSlim entered, ManualResetEventSlim release)
    {
        if (holds && !entered.IsSet)
        {
            entered.Set();
            Assert.True(release.Wait(Worker.Bound));
        }

        return 0;
    }
}
