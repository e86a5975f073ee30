using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Transport;

/// <summary>Channel commands: which are served, and what an ignored one leaves alone.</summary>
public sealed class ChannelCommandTests
{
    [Theory]
    [InlineData(0x80000002u)]
    [InlineData(0x80001000u)]
    [InlineData(0xFFFFFFFFu)]
    public void Channel_NotRegistered_IsIgnoredAndBuffersStay(uint command)
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        byte[] request = Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page);
        guest.Memory.Poke(TestGuest.FarHost, request);

        Assert.False(guest.Command(command));

        Assert.Equal(request, guest.Memory.Peek(TestGuest.FarHost, 32));
        Assert.Equal(1u, guest.Counter("ignored_accesses"));
        Assert.Equal(1, guest.Log.CountOf(201));
        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Empty(guest.Calls.AllCalls);
    }

    [Theory]
    [InlineData("Disconnected")]
    [InlineData("Registering")]
    public void Channel_OutsideReady_IsIgnoredAndItsBufferStays(string state)
    {
        TestGuest guest = TestGuest.Connected();
        byte[] request = Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page);
        guest.Memory.Poke(TestGuest.FarHost, request);
        guest.Command(state == "Disconnected" ? Wire.DISCONNECT : Wire.RESET);
        guest.Register(TestGuest.BufferOf(0));
        uint before = guest.ReadCommand();

        Assert.False(guest.Command(TestGuest.ChannelCommand(0)));

        Assert.Equal(request, guest.Memory.Peek(TestGuest.FarHost, 32));
        Assert.Equal(before, guest.ReadCommand());
        Assert.Equal(1u, guest.Counter("ignored_accesses"));
        Assert.Empty(guest.Calls.AllCalls);
    }

    [Theory]
    [InlineData("memctl")]
    [InlineData("pvmemcontrol")]
    public void Channel_Ready_AnswersInItsOwnBufferOnly(string dialect)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}", channels: 3);
        byte[] request = Wire.Request(0);
        for (int channel = 0; channel < 3; channel++)
        {
            guest.Memory.Poke(TestGuest.HostOf(TestGuest.BufferOf(channel)), request);
        }

        byte[] answer = guest.Send(request, channel: 1);

        Assert.NotEqual(request, answer);
        Assert.Equal(request, guest.Memory.Peek(TestGuest.HostOf(TestGuest.BufferOf(0)), 32));
        Assert.Equal(request, guest.Memory.Peek(TestGuest.HostOf(TestGuest.BufferOf(2)), 32));
    }

    [Fact]
    public void Channel_AnsweringAnError_LeavesTheCommandRegister()
    {
        TestGuest guest = TestGuest.Connected();

        Assert.Equal(Wire.EOPNOTSUPP, Wire.Errno(guest.Send(Wire.Request(99))));

        Assert.Equal(Wire.ACK, guest.ReadCommand());
    }

    [Theory]
    [InlineData(TestGuest.High - 16, 16)]
    [InlineData(TestGuest.High - 8, 8)]
    [InlineData(TestGuest.High - 1, 1)]
    [InlineData(TestGuest.High - 31, 31)]
    public void Buffer_AcrossAdjoiningRegions_IsReadAndAnswered(ulong buffer, int inLow)
    {
        var guest = new TestGuest();
        guest.Connect(buffer);
        byte[] request = Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page);
        guest.Memory.Poke(TestGuest.HostOf(buffer), request.AsSpan(0, inLow));
        guest.Memory.Poke(TestGuest.HighHost, request.AsSpan(inLow));

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));

        byte[] answer =
        [
            .. guest.Memory.Peek(TestGuest.HostOf(buffer), inLow),
            .. guest.Memory.Peek(TestGuest.HighHost, 32 - inLow),
        ];
        Assert.Equal(Wire.Answer(0), answer);
        Assert.Equal("DontNeed(700000000000, 1000)", Assert.Single(guest.Calls.Calls).ToString());
    }

    [Fact]
    public void Buffer_WhoseRegionIsGone_IsNotAnsweredAndCounted()
    {
        TestGuest guest = TestGuest.Connected();
        byte[] request = Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page);
        guest.Memory.Poke(TestGuest.FarHost, request);
        guest.Device.UnregisterMemory(TestGuest.Far, TestGuest.FarEnd - TestGuest.Far);

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));

        Assert.Equal(request, guest.Memory.Peek(TestGuest.FarHost, 32));
        Assert.Equal(1u, guest.Counter("unanswered_requests"));
        Assert.Equal(1u, guest.Counter("refused_BUFFER_UNREADABLE"));
        Assert.Equal(1, guest.Log.CountOf(203));
        Assert.Empty(guest.Calls.Calls);
    }

    [Fact]
    public void Buffer_ThatCantBeRead_IsAnsweredEfaultAndNothingIsDone()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Memory.Poke(TestGuest.FarHost, Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page));
        guest.Memory.Allow = (_, writes) => writes;

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));

        Assert.Equal(Wire.Answer(Wire.EFAULT, Wire.BUFFER_UNREADABLE), guest.Memory.Peek(TestGuest.FarHost, 32));
        Assert.Empty(guest.Calls.Calls);
    }

    [Fact]
    public void Buffer_HalfOfWhichCantBeRead_IsAnsweredEfault()
    {
        var guest = new TestGuest();
        guest.Connect(TestGuest.High - 16);
        guest.Memory.MakeUnreadable(TestGuest.HighHost);

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));

        Assert.Equal(1u, guest.Counter("refused_BUFFER_UNREADABLE"));
        Assert.Equal(1u, guest.Counter("unanswered_requests"));
    }

    [Fact]
    public void Buffer_ThatCantBeWritten_IsCountedAndTheNextRequestIsRight()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Memory.MakeUnwritable(TestGuest.FarHost);

        guest.Send(Wire.Request(0));
        Assert.Equal(1u, guest.Counter("unanswered_requests"));

        guest.Memory.Open(TestGuest.FarHost);
        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
    }
}
