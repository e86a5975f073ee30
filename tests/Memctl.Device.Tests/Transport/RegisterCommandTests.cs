using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Transport;

/// <summary>REGISTER: which addresses it takes, how many, and what it answers.</summary>
public sealed class RegisterCommandTests
{
    [Theory]
    [InlineData("first byte of RAM", TestGuest.Low)]
    [InlineData("last 32 bytes of a region", TestGuest.FarEnd - 32)]
    [InlineData("across adjoining regions", TestGuest.High - 16)]
    [InlineData("last byte in the lower of adjoining regions", TestGuest.High - 31)]
    [InlineData("across pages", TestGuest.Low + Wire.Page - 8)]
    [InlineData("not aligned at all", TestGuest.Low + 1)]
    public void Register_BufferInRam_GivesAChannel(string where, ulong buffer)
    {
        var guest = new TestGuest();
        guest.Command(Wire.RESET);

        guest.Register(buffer);

        Assert.True(guest.ReadCommand() == Wire.ACK, where);
        Assert.Equal(Wire.FirstChannel, guest.ReadPayload());
        Assert.Equal([buffer], guest.Device.Save().BufferAddresses);
    }

    [Theory]
    [InlineData("below RAM", TestGuest.Low - 32)]
    [InlineData("one byte below RAM", TestGuest.Low - 1)]
    [InlineData("in the gap", TestGuest.HighEnd)]
    [InlineData("31 bytes of a region", TestGuest.FarEnd - 31)]
    [InlineData("last byte of a region", TestGuest.FarEnd - 1)]
    [InlineData("ends in the gap", TestGuest.HighEnd - 16)]
    [InlineData("begins in the gap", TestGuest.Far - 8)]
    [InlineData("past RAM", TestGuest.FarEnd)]
    [InlineData("zero", 0ul)]
    [InlineData("wraps", ulong.MaxValue - 15)]
    [InlineData("wraps to exactly zero", ulong.MaxValue - 31)]
    [InlineData("last address", ulong.MaxValue)]
    [InlineData("top half", 1ul << 63)]
    public void Register_BufferNotInRam_AnswersErrorAndDisconnects(string where, ulong buffer)
    {
        var guest = new TestGuest();
        guest.Command(Wire.RESET);
        guest.Register(TestGuest.BufferOf(0));

        guest.Register(buffer);

        Assert.True(guest.ReadCommand() == Wire.ERROR, where);
        Assert.Equal(buffer, guest.ReadPayload());
        Assert.Equal("Disconnected", guest.Device.Save().Transport.ToString());
        Assert.Equal(0u, guest.Counter("channels"));
    }

    [Fact]
    public void Register_UpToTheLimit_CountsUpAndThenDisconnects()
    {
        var guest = new TestGuest("channels=3");
        guest.Command(Wire.RESET);
        for (uint channel = 0; channel < 3; channel++)
        {
            guest.Register(TestGuest.BufferOf((int)channel));
            Assert.Equal(Wire.ACK, guest.ReadCommand());
            Assert.Equal(Wire.FirstChannel + channel, guest.ReadPayload());
        }

        Assert.Equal(3u, guest.Counter("channels"));
        guest.Register(TestGuest.BufferOf(3));

        Assert.Equal(Wire.ERROR, guest.ReadCommand());
        Assert.Equal(0u, guest.Counter("channels"));
        Assert.Equal(3u, guest.Counter("channels_limit"));
    }

    [Fact]
    public void Register_ByDefault_Takes4096Channels()
    {
        var guest = new TestGuest();
        guest.Command(Wire.RESET);
        for (int channel = 0; channel < 4096; channel++)
        {
            guest.Register(TestGuest.Far);
        }

        Assert.Equal(Wire.ACK, guest.ReadCommand());
        Assert.Equal(Wire.FirstChannel + 4095, guest.ReadPayload());
        guest.Register(TestGuest.Far);
        Assert.Equal(Wire.ERROR, guest.ReadCommand());
    }

    [Fact]
    public void Register_InALoopWithResets_MakesNoMoreThanTheLimit()
    {
        var guest = new TestGuest("channels=2");
        Allocation.AssertSettlesAtZero(() =>
        {
            for (int round = 0; round < 1000; round++)
            {
                guest.Command(Wire.RESET);
                guest.Register(TestGuest.BufferOf(round % 100));
                guest.Register(TestGuest.BufferOf(1));
            }
        });

        Assert.Equal(2u, guest.Counter("channels"));
    }

    [Theory]
    [InlineData("MPROTECT_NONE", Wire.ERROR)]
    [InlineData("MPROTECT_R", Wire.ERROR)]
    [InlineData("MPROTECT_W", Wire.ACK)]
    [InlineData("MPROTECT_RW", Wire.ACK)]
    public void Register_IntoPageThatTheGuestHasProtected_IsRefusedUnlessItIsReadWrite(string function, uint answer)
    {
        TestGuest guest = TestGuest.Connected();
        Assert.Equal(Wire.Answer(0), guest.Request(function, TestGuest.Low, Wire.Page));
        guest.Command(Wire.RESET);

        guest.Register(TestGuest.Low + Wire.Page - 32);

        Assert.Equal(answer, guest.ReadCommand());
    }

    [Fact]
    public void Register_TouchingAProtectedPageWithOneByte_IsRefused()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("MPROTECT_NONE", TestGuest.Low + Wire.Page, Wire.Page);
        guest.Command(Wire.RESET);

        guest.Register(TestGuest.Low + Wire.Page - 31);

        Assert.Equal(Wire.ERROR, guest.ReadCommand());
    }
}
