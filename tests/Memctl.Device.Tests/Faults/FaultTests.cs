using Memctl.Device.Tests.Concurrency;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Faults;

/// <summary>Faults around the device. After each, the next request is right.</summary>
public sealed class FaultTests
{
    /// <summary>Each function with every errno that the man page of its call lists.</summary>
    public static TheoryData<string, string, int[]> Errnos => new()
    {
        { "DONTNEED", "DontNeed", [Wire.EAGAIN, Wire.EBADF, Wire.EFAULT, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "REMOVE", "Remove", [Wire.EACCES, Wire.EAGAIN, Wire.EBADF, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "FREE", "Free", [Wire.EAGAIN, Wire.EBADF, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "PAGEOUT", "PageOut", [Wire.EAGAIN, Wire.EBADF, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "UNMERGEABLE", "Unmergeable", [Wire.EAGAIN, Wire.EBADF, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "DONTDUMP", "DontDump", [Wire.EAGAIN, Wire.EBADF, Wire.EINVAL, Wire.EIO, Wire.ENOMEM, Wire.EPERM] },
        { "MLOCK", "mlock2", [Wire.EAGAIN, Wire.EINVAL, Wire.ENOMEM, Wire.EPERM] },
        { "MUNLOCK", "munlock", [Wire.EAGAIN, Wire.EINVAL, Wire.ENOMEM, Wire.EPERM] },
        { "MPROTECT_NONE", "mprotect 0", [Wire.EACCES, Wire.EINVAL, Wire.ENOMEM] },
        { "MPROTECT_R", "mprotect 1", [Wire.EACCES, Wire.EINVAL, Wire.ENOMEM] },
        { "MPROTECT_W", "mprotect 2", [Wire.EACCES, Wire.EINVAL, Wire.ENOMEM] },
        { "MPROTECT_RW", "mprotect 3", [Wire.EACCES, Wire.EINVAL, Wire.ENOMEM] },
        { "SET_VMA_ANON_NAME", "name", [Wire.EBADF, Wire.EFAULT, Wire.EINVAL, Wire.ENOMEM] },
    };

    [Theory]
    [MemberData(nameof(Errnos))]
    public void HostCall_FailingOnce_IsAnsweredAndTheNextRequestIsRight(string function, string call, int[] errnos)
    {
        TestGuest guest = TestGuest.Connected();
        foreach (int errno in errnos)
        {
            bool failed = false;
            guest.Calls.Answer = made =>
            {
                bool fails = !failed && made.What == call;
                failed |= fails;
                return fails ? errno : 0;
            };

            Assert.Equal(Wire.Answer(errno), guest.Request(function, TestGuest.Low, Wire.Page, 1));
            Assert.Empty(guest.Device.Save().Attributes);
            Assert.Equal(Wire.Answer(0), guest.Request(function, TestGuest.Low, Wire.Page, 1));
            guest.Calls.Answer = _ => 0;
            guest.Device.Reset();
            guest.Connect(TestGuest.BufferOf(0));
        }
    }

    [Fact]
    public void HostCalls_AllFailing_EvenTheRollback_LeaveADeviceThatWorksOnceTheyDoNot()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Calls.Answer = _ => Wire.ENOMEM;
        foreach (string function in Wire.MemctlCodes.Where(name => name != "INFO"))
        {
            Assert.Equal(Wire.Answer(Wire.ENOMEM), guest.Request(function, TestGuest.Low, TestGuest.HighEnd - TestGuest.Low, 1));
        }

        Assert.Empty(guest.Device.Save().Attributes);
        guest.Calls.Answer = _ => 0;
        foreach (string function in Wire.MemctlCodes)
        {
            Assert.Equal(0, Wire.Errno(guest.Request(function, TestGuest.Low, TestGuest.HighEnd - TestGuest.Low, 1)));
        }
    }

    [Fact]
    public void Unregister_ThatTheKernelRefuses_ReportsItAndTheRegionIsGoneAllTheSame()
    {
        TestGuest guest = TestGuest.Connected();
        guest.Request("MPROTECT_R", TestGuest.Low, Wire.Page);
        guest.Calls.Answer = _ => Wire.ENOMEM;

        DeviceException exception = Assert.Throws<DeviceException>(
            () => guest.Device.UnregisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low));

        Assert.Equal(DeviceFault.HostCallFailed, exception.Fault);
        Assert.Equal(1, guest.Log.CountOf(103));
        Assert.Equal(Wire.EINVAL, Wire.Errno(guest.Request("DONTNEED", TestGuest.Low, Wire.Page)));
        Assert.Equal(0u, guest.Counter("splits"));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(201)]
    [InlineData(202)]
    [InlineData(203)]
    public void LogSink_ThatThrows_LeavesNothingHeldAndTheNextRequestRight(int id)
    {
        TestGuest guest = TestGuest.Connected();
        guest.Log.OnRecord = written => _ = written == id ? throw new IOException("The sink is broken.") : 0;

        Assert.Throws<IOException>(() => Cause(guest, id));

        guest.Log.OnRecord = _ => { };
        guest.Memory.Open(TestGuest.FarHost);
        guest.Connect(TestGuest.BufferOf(0));
        Assert.Equal(0, Wire.Errno(guest.Request("INFO")));
        guest.Device.UnregisterMemory(TestGuest.Low, TestGuest.High - TestGuest.Low);
    }

    [Fact]
    public void Copy_FailingNowAndThen_NeverLosesTheRequestAfterIt()
    {
        TestGuest guest = TestGuest.Connected();
        int copies = 0;
        guest.Memory.Allow = (_, _) => ++copies % 3 != 0;
        for (int round = 0; round < 300; round++)
        {
            guest.Send(Wire.Request(guest.Code("DONTNEED"), TestGuest.Low, Wire.Page));
        }

        guest.Memory.Allow = (_, _) => true;
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", TestGuest.Low, Wire.Page));
        Assert.Equal(guest.Counter("requests_DONTNEED"), (ulong)guest.Calls.Calls.Length);
    }

    [Fact]
    public void Collections_ForcedDuringRequests_ChangeNoAnswer()
    {
        TestGuest guest = TestGuest.Connected(channels: 2);
        bool stop = false;
        var collector = Worker.Start(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                GC.Collect(0);
                GC.Collect();
            }
        });

        Parallel.For(0, 2, channel =>
        {
            for (ulong round = 0; round < 3000; round++)
            {
                ulong page = (TestGuest.Low / Wire.Page) + (round % 24);
                Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", page * Wire.Page, Wire.Page, channel: channel));
                Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", page * Wire.Page, Wire.Page, channel: channel));
            }
        });
        Volatile.Write(ref stop, true);
        collector.Finish();

        Assert.Equal(6000u, guest.Counter("requests_MLOCK"));
    }

    private static void Cause(TestGuest guest, int id)
    {
        switch (id)
        {
            case 200:
                guest.Device.MmioWrite(99, [1]);
                break;
            case 201:
                guest.Command(TestGuest.ChannelCommand(50));
                break;
            case 202:
                guest.Command(Wire.ACK);
                break;
            default:
                guest.Memory.MakeUnwritable(TestGuest.FarHost);
                guest.Request("INFO");
                break;
        }
    }
}
