using FsCheck;
using FsCheck.Fluent;
using Memctl.Device.Memory;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Ranges;

/// <summary>Memory that comes and goes by the block, as virtio-mem plugs it.</summary>
public sealed class BlockTests
{
    private const ulong Base = 0x1_0000_0000;
    private const ulong Host = 0x7300_0000_0000;
    private const ulong Block = 2ul << 20;
    private const int Blocks = 200;

    /// <summary>Ranges of blocks, plugged or unplugged, across the words of a bitmap.</summary>
    private static Arbitrary<(int First, int Count, bool Plug)[]> Changes =>
        Gen.Choose(0, Blocks - 1).SelectMany(first => Gen.Choose(1, 130).SelectMany(count => Gen.Choose(0, 1)
            .Select(plug => (first, Math.Min(count, Blocks - first), plug == 1)))).ArrayOf().ToArbitrary();

    [Fact]
    public void PlugAndUnplug_AnyBlocks_ArePresentExactlyAsAskedFor() => Prop.ForAll(Changes, changes =>
    {
        var region = new MemoryRegion(Base, Blocks * Block, unchecked((nuint)Host), RegionTraits.None, Block);
        RegionMap map = RegionMap.Empty.With(region)!;
        bool[] present = new bool[Blocks];
        foreach ((int first, int count, bool plug) in changes)
        {
            bool may = present.Skip(first).Take(count).All(block => block != plug);
            Assert.Equal(may, region.TrySetPresent(plug, Base + ((ulong)first * Block), Base + ((ulong)(first + count) * Block)));
            if (may)
            {
                Array.Fill(present, plug, first, count);
            }
        }

        IReadOnlyList<MemorySegment> segments = map.Present(Blocks);
        Assert.All(segments, segment => Assert.Equal(unchecked((nuint)(Host - Base + segment.GuestAddress)), segment.HostAddress));
        Assert.Equal(present, Enumerable.Range(0, Blocks).Select(block => segments.Any(segment =>
            segment.GuestAddress <= Base + ((ulong)block * Block) && Base + ((ulong)(block + 1) * Block) <= segment.End)));
        Assert.All(segments.Zip(segments.Skip(1)), pair => Assert.True(pair.First.End < pair.Second.GuestAddress));
        Assert.Equal(segments.Take(3), map.Present(3));

        for (int block = 0; block < Blocks; block++)
        {
            for (int count = 1; count <= Math.Min(70, Blocks - block); count += 23)
            {
                bool covered = present.Skip(block).Take(count).All(each => each);
                Assert.Equal(covered, map.Covers(Base + ((ulong)block * Block) + 4096, ((ulong)count * Block) - 8192));
            }
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Request_OverAdjoiningBlocks_IsOneHostCallAndOverAGapNone()
    {
        TestGuest guest = WithBlocks();
        guest.Device.PlugMemory(Base, 3 * Block);
        guest.Device.PlugMemory(Base + (3 * Block), Block);

        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", Base, 4 * Block));
        Assert.Equal($"DontNeed({Host:x}, {4 * Block:x})", Assert.Single(guest.Calls.Calls).ToString());

        guest.Device.UnplugMemory(Base + Block, Block);
        guest.Calls.Clear();
        Assert.Equal(Wire.Answer(Wire.EINVAL, Wire.NOT_GUEST_MEMORY), guest.Request("DONTNEED", Base, 4 * Block));
        Assert.Equal(Wire.Answer(Wire.EINVAL, Wire.NOT_GUEST_MEMORY), guest.Request("MLOCK", Base + Block, Wire.Page));
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", Base + (2 * Block), 2 * Block));
    }

    [Fact]
    public void Request_OverRegionsThatAdjoinInTheHostToo_IsOneHostCall()
    {
        var guest = new TestGuest();
        guest.AddRegion(Base, Block, Host);
        guest.AddRegion(Base + Block, Block, Host + Block);
        guest.AddRegion(Base + (2 * Block), Block, Host + (2 * Block), RegionTraits.Mergeable);
        guest.Connect(TestGuest.BufferOf(0));

        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", Base, 3 * Block));

        Assert.Equal(
            [$"DontNeed({Host:x}, {2 * Block:x})", $"DontNeed({Host + (2 * Block):x}, {Block:x})"],
            guest.Calls.Calls.Select(call => call.ToString()));
    }

    [Fact]
    public void Unplug_OfWhatTheGuestHasSet_RevertsItThereAlone()
    {
        TestGuest guest = WithBlocks();
        guest.Device.PlugMemory(Base, 3 * Block);
        guest.Request("MLOCK", Base, 3 * Block);
        guest.Calls.Clear();

        guest.Device.UnplugMemory(Base + Block, Block);

        Assert.Equal($"munlock({Host + Block:x}, {Block:x})", Assert.Single(guest.Calls.Calls).ToString());
        Assert.Equal(2 * Block, guest.Counter("locked_bytes"));
        guest.Device.PlugMemory(Base + Block, Block);
        Assert.Equal(2 * Block, guest.Counter("locked_bytes"));
    }

    [Fact]
    public void Unplug_WithoutRoomToSplit_IsRefusedAndChangesNothing()
    {
        var guest = new TestGuest("max_splits=2,max_locked=1T");
        const ulong Small = Wire.Page;
        ulong count = (ulong)Device.Attributes.GuestAttributes.VmmSplits + 2;
        guest.Device.RegisterMemory(Base, 2 * count * Small, unchecked((nuint)Host), RegionTraits.None, Small);
        guest.Device.PlugMemory(Base, 2 * count * Small);
        guest.Connect(TestGuest.BufferOf(0));
        Assert.Equal(Wire.Answer(0), guest.Request("MLOCK", Base, 2 * count * Small));
        ulong next = Base + Small;
        while (guest.Counter("splits") < (ulong)Device.Attributes.GuestAttributes.VmmSplits + 2)
        {
            guest.Device.UnplugMemory(next, Small);
            next += 2 * Small;
        }

        guest.Calls.Clear();
        Assert.Equal(DeviceFault.LimitReached, Assert.Throws<DeviceException>(() => guest.Device.UnplugMemory(next, Small)).Fault);

        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(Wire.Answer(0), guest.Request("DONTNEED", next, Small));
        Assert.Equal(Wire.Answer(0), guest.Request("MUNLOCK", next - Small, 2 * Small));
    }

    [Theory]
    [InlineData(0, Block)]
    [InlineData(Block + 1, Block)]
    [InlineData(Block, Block + 4096)]
    [InlineData(Block, 0)]
    public void Plug_OfWhatIsNoAbsentBlock_IsRefusedAndChangesNothing(ulong offset, ulong length)
    {
        TestGuest guest = WithBlocks();
        guest.Device.PlugMemory(Base, Block);

        Assert.Equal(DeviceFault.InvalidArgument, Assert.Throws<DeviceException>(() => guest.Device.PlugMemory(Base + offset, length)).Fault);

        Assert.Equal(Wire.EINVAL, Wire.Errno(guest.Request("DONTNEED", Base + Block, Wire.Page)));
        Assert.Equal(0, Wire.Errno(guest.Request("DONTNEED", Base, Wire.Page)));
    }

    [Fact]
    public void Plug_OutsideOfARegionWithBlocks_FindsNothing()
    {
        TestGuest guest = WithBlocks();

        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(() => guest.Device.PlugMemory(TestGuest.Low, Block)).Fault);
        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(() => guest.Device.UnplugMemory(1ul << 50, Block)).Fault);
        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(
            () => guest.Device.PlugMemory(Base + ((Blocks - 1) * Block), 2 * Block)).Fault);
        Assert.Equal(DeviceFault.NotFound, Assert.Throws<DeviceException>(() => guest.Device.PlugMemory(Base, ulong.MaxValue - 4095)).Fault);
    }

    [Theory]
    [InlineData(3ul << 20, DeviceFault.InvalidArgument)]
    [InlineData(1ul << 31, DeviceFault.InvalidArgument)]
    [InlineData(Wire.Page / 2, DeviceFault.InvalidArgument)]
    [InlineData(1, DeviceFault.InvalidArgument)]
    public void Register_WithBlocksThatDoNotFit_IsRefused(ulong blockSize, DeviceFault fault) => Assert.Equal(fault,
        Assert.Throws<DeviceException>(() => new TestGuest().Device.RegisterMemory(
            Base, 1ul << 30, unchecked((nuint)Host), RegionTraits.None, blockSize)).Fault);

    [Fact]
    public void Register_WithMoreBlocksThanThereMayBe_IsRefused() => Assert.Equal(DeviceFault.LimitReached,
        Assert.Throws<DeviceException>(() => new TestGuest().Device.RegisterMemory(
            1ul << 40, 1ul << 40, unchecked((nuint)Host), RegionTraits.None, Wire.Page)).Fault);

    [Fact]
    public void Buffer_InABlockThatIsUnplugged_IsNotWrittenUntilItIsPluggedAgain()
    {
        TestGuest guest = WithBlocks();
        guest.Device.PlugMemory(Base, Block);
        guest.Memory.Add(Host, Block);
        guest.Connect(Base + 64);
        guest.Memory.Poke(Host + 64, Wire.Request(0));
        guest.Device.UnplugMemory(Base, Block);

        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));
        Assert.Equal(Wire.Request(0), guest.Memory.Peek(Host + 64, 32));
        Assert.Equal(1u, guest.Counter("unanswered_requests"));

        guest.Device.PlugMemory(Base, Block);
        Assert.True(guest.Command(TestGuest.ChannelCommand(0)));
        Assert.NotEqual(Wire.Request(0), guest.Memory.Peek(Host + 64, 32));
    }

    [Fact]
    public void ATerabyte_PluggedBlockByBlockInAnyOrder_AllocatesNothingPerBlock()
    {
        const ulong Count = 1ul << 19;
        var guest = new TestGuest();
        guest.Device.RegisterMemory(1ul << 42, Count * Block, unchecked((nuint)0x1000_0000_0000), RegionTraits.None, Block);
        ulong[] order = [.. Enumerable.Range(0, (int)Count).Select(block => (1ul << 42) + ((ulong)block * Block))];
        new Random(1).Shuffle(order);
        guest.Device.PlugMemory(order[0], Block);
        guest.Device.UnplugMemory(order[0], Block);

        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (ulong block in order)
        {
            guest.Device.PlugMemory(block, Block);
        }

        foreach (ulong block in order.AsSpan(0, order.Length / 2))
        {
            guest.Device.UnplugMemory(block, Block);
        }

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 64 * 1024, "Blocks allocate.");
    }

    private static TestGuest WithBlocks()
    {
        var guest = new TestGuest("max_locked=1T");
        guest.Device.RegisterMemory(Base, Blocks * Block, unchecked((nuint)Host), RegionTraits.None, Block);
        guest.Connect(TestGuest.BufferOf(0));
        return guest;
    }
}
