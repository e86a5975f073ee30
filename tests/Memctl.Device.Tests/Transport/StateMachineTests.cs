using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Transport;

/// <summary>Every transport command in every state (protocol, "Transport commands").</summary>
public sealed class StateMachineTests
{
    private const ulong Buffer = TestGuest.Far + 0x80;

    /// <summary>State, command; what command reads then, what payload reads then, and the state after.</summary>
    public static TheoryData<string, uint, uint, ulong, string> Table => new()
    {
        { "Disconnected", Wire.RESET, Wire.ACK, Buffer, "Registering" },
        { "Disconnected", Wire.REGISTER, Wire.ERROR, Buffer, "Disconnected" },
        { "Disconnected", Wire.READY, Wire.ERROR, Buffer, "Disconnected" },
        { "Disconnected", Wire.DISCONNECT, Wire.ERROR, Buffer, "Disconnected" },
        { "Disconnected", Wire.ACK, Wire.ERROR, Buffer, "Disconnected" },
        { "Disconnected", Wire.ERROR, Wire.ERROR, Buffer, "Disconnected" },
        { "Registering", Wire.RESET, Wire.ACK, Buffer, "Registering" },
        { "Registering", Wire.REGISTER, Wire.ACK, 0x80000001, "Registering" },
        { "Registering", Wire.READY, Wire.ACK, Buffer, "Ready" },
        { "Registering", Wire.DISCONNECT, Wire.ERROR, Buffer, "Disconnected" },
        { "Registering", Wire.ACK, Wire.ERROR, Buffer, "Disconnected" },
        { "Registering", Wire.ERROR, Wire.ERROR, Buffer, "Disconnected" },
        { "Ready", Wire.RESET, Wire.ACK, Buffer, "Registering" },
        { "Ready", Wire.REGISTER, Wire.ERROR, Buffer, "Disconnected" },
        { "Ready", Wire.READY, Wire.ERROR, Buffer, "Disconnected" },
        { "Ready", Wire.DISCONNECT, Wire.ERROR, Buffer, "Disconnected" },
        { "Ready", Wire.ACK, Wire.ERROR, Buffer, "Disconnected" },
        { "Ready", Wire.ERROR, Wire.ERROR, Buffer, "Disconnected" },
    };

    /// <summary>The commands whose refusal is counted, by the state in which they are refused.</summary>
    public static TheoryData<string, uint> Refused
    {
        get
        {
            var data = new TheoryData<string, uint>
            {
                { "Disconnected", Wire.REGISTER },
                { "Disconnected", Wire.READY },
                { "Ready", Wire.REGISTER },
                { "Ready", Wire.READY },
            };
            foreach (string state in new[] { "Disconnected", "Registering", "Ready" })
            {
                data.Add(state, Wire.ACK);
                data.Add(state, Wire.ERROR);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Table))]
    public void Command_InState_AnswersAndMoves(string state, uint command, uint answer, ulong payload, string after)
    {
        TestGuest guest = InState(state);
        guest.StorePayload(Buffer);

        Assert.True(guest.Command(command));

        Assert.Equal(answer, guest.ReadCommand());
        Assert.Equal(payload, guest.ReadPayload());
        Assert.Equal(after, guest.Device.Save().Transport.ToString());
        Assert.Empty(guest.Calls.AllCalls);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Command_Illegal_IsCountedAndLogged(string state, uint command)
    {
        TestGuest guest = InState(state);

        guest.Command(command);

        Assert.Equal(1u, guest.Counter("refused_commands"));
        Assert.Equal(1, guest.Log.CountOf(202));
    }

    [Fact]
    public void Device_JustMade_IsDisconnectedAndReadsError()
    {
        var guest = new TestGuest();

        Assert.Equal(Wire.ERROR, guest.ReadCommand());
        Assert.Equal(0u, guest.ReadPayload());
        Assert.Equal("Disconnected", guest.Device.Save().Transport.ToString());
    }

    [Theory]
    [InlineData(Wire.RESET)]
    [InlineData(Wire.DISCONNECT)]
    [InlineData(Wire.ACK)]
    public void Channels_AfterCommandThatForgets_AreGone(uint command)
    {
        TestGuest guest = TestGuest.Connected(channels: 3);

        guest.Command(command);

        Assert.Equal(0u, guest.Counter("channels"));
        Assert.Empty(guest.Device.Save().BufferAddresses);
        Assert.False(guest.Command(TestGuest.ChannelCommand(0)));
    }

    [Fact]
    public void Reset_ThenReady_LeavesOldChannelsUnconnected()
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        guest.Command(Wire.RESET);
        guest.Register(TestGuest.BufferOf(5));
        guest.Command(Wire.READY);
        byte[] request = Wire.Request(0);
        guest.Memory.Poke(TestGuest.HostOf(TestGuest.BufferOf(0)), request);
        guest.Memory.Poke(TestGuest.HostOf(TestGuest.BufferOf(5)), request);

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));
        Assert.False(guest.Command(TestGuest.ChannelCommand(1)));

        Assert.Equal(request, guest.Memory.Peek(TestGuest.HostOf(TestGuest.BufferOf(0)), 32));
        Assert.NotEqual(request, guest.Memory.Peek(TestGuest.HostOf(TestGuest.BufferOf(5)), 32));
    }

    [Fact]
    public void Driver_ConnectsTwice_WorksBothTimes()
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        guest.Command(Wire.DISCONNECT);

        guest.Connect(TestGuest.BufferOf(0));

        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
    }

    [Fact]
    public void ResetOfMachine_FromReady_DisconnectsAndClearsPayload()
    {
        TestGuest guest = TestGuest.Connected();

        guest.Device.Reset();

        Assert.Equal(Wire.ERROR, guest.ReadCommand());
        Assert.Equal(0u, guest.ReadPayload());
        Assert.False(guest.Command(TestGuest.ChannelCommand(0)));
    }

    [Fact]
    public void Stop_FromReady_ServesNoMoreAndRegistersNoMore()
    {
        TestGuest guest = TestGuest.Connected();

        guest.Device.Stop();

        Assert.False(guest.Command(TestGuest.ChannelCommand(0)));
        guest.Command(Wire.RESET);
        guest.Register(TestGuest.BufferOf(0));
        Assert.Equal(Wire.ERROR, guest.ReadCommand());
    }

    private static TestGuest InState(string state)
    {
        var guest = new TestGuest();
        if (state == "Registering")
        {
            guest.Command(Wire.RESET);
            guest.Register(TestGuest.BufferOf(0));
        }
        else if (state == "Ready")
        {
            guest.Connect(TestGuest.BufferOf(0));
        }

        return guest;
    }
}
