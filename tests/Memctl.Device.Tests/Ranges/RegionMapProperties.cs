using FsCheck;
using FsCheck.Fluent;
using Memctl.Device.Memory;

namespace Memctl.Device.Tests.Ranges;

/// <summary>The region map against a set of pages.</summary>
public sealed class RegionMapProperties
{
    private const ulong Page = 4096;
    private const int Pages = 40;

    /// <summary>Regions as (first page, pages), tried in this order.</summary>
    private static Gen<(int First, int Count)[]> Regions =>
        Gen.Choose(0, Pages - 1).SelectMany(first => Gen.Choose(1, 6).Select(count => (first, count))).ArrayOf();

    [Fact]
    public void With_AnyRegions_TakesExactlyThoseThatDoNotOverlap() => Prop.ForAll(Regions.ToArbitrary(), regions =>
    {
        int[] owner = NoOwners();
        RegionMap map = RegionMap.Empty;
        for (int index = 0; index < regions.Length; index++)
        {
            (int first, int count) = regions[index];
            bool free = Enumerable.Range(first, count).All(page => owner[page] < 0);
            RegionMap? next = map.With(RegionOf(index, first, count));
            Assert.Equal(free, next is not null);
            if (free)
            {
                Array.Fill(owner, index, first, count);
            }

            map = next ?? map;
        }

        AssertSame(owner, map);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Without_AnyOfTheRegions_TakesAwayExactlyIt() => Prop.ForAll(Regions.ToArbitrary(), regions =>
    {
        (int[] owner, RegionMap map) = Build(regions);
        foreach (MemoryRegion region in map.Regions.ToArray().Where((_, index) => index % 2 == 0))
        {
            MemoryRegion? found = map.FindExact(region.GuestAddress, region.Length);
            Assert.Same(region, found);
            map = map.Without(found!);
            Array.Fill(owner, -1, (int)(region.GuestAddress / Page), (int)(region.Length / Page));
        }

        AssertSame(owner, map);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Covers_AnyRange_IsWhatEveryByteSays() => Prop.ForAll(Regions.ToArbitrary(), regions =>
    {
        (int[] owner, RegionMap map) = Build(regions);
        for (int first = 0; first < Pages + 8; first++)
        {
            for (int count = 0; count < 12; count++)
            {
                bool covered = Enumerable.Range(first, Math.Max(count, 1)).All(page => page < owner.Length && owner[page] >= 0);
                Assert.Equal(covered, map.Covers((ulong)first * Page, (ulong)count * Page));
                if (covered && count > 0)
                {
                    AssertSegments(owner, map, first, count);
                }
            }
        }
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0x4fff, 1, true)]
    [InlineData(0x4fff, 2, false)]
    [InlineData(0x3fff, 2, true)]
    [InlineData(0x3001, 0x1fff, true)]
    [InlineData(0x3001, 0x2000, false)]
    [InlineData(0x2fff, 1, false)]
    [InlineData(0x2fff, 2, false)]
    [InlineData(0x3000, ulong.MaxValue, false)]
    [InlineData(0x3000, ulong.MaxValue - 0x2fff, false)]
    [InlineData(0x4000, ulong.MaxValue - 0xfff, false)]
    public void Covers_BytesAtTheEdges_IsExact(ulong address, ulong length, bool covered)
    {
        RegionMap map = RegionMap.Empty.With(new MemoryRegion(0x3000, 0x1000, 0x10000, 0))!;
        map = map.With(new MemoryRegion(0x4000, 0x1000, 0x90000, 0))!;

        Assert.Equal(covered, map.Covers(address, length));
    }

    [Theory]
    [InlineData(0x2000, 0x1000)]
    [InlineData(0x3000, 0x2000)]
    [InlineData(0x3001, 0x1000)]
    [InlineData(0x4000, 0x1000)]
    public void FindExact_OfAnythingElse_FindsNothing(ulong address, ulong length)
    {
        RegionMap map = RegionMap.Empty.With(new MemoryRegion(0x3000, 0x1000, 0x10000, 0))!;

        Assert.Null(map.FindExact(address, length));
    }

    private static int[] NoOwners()
    {
        int[] owner = new int[Pages + 8];
        Array.Fill(owner, -1);
        return owner;
    }

    private static (int[] Owner, RegionMap Map) Build((int First, int Count)[] regions)
    {
        int[] owner = NoOwners();
        RegionMap map = RegionMap.Empty;
        for (int index = 0; index < regions.Length; index++)
        {
            (int first, int count) = regions[index];
            if (map.With(RegionOf(index, first, count)) is { } next)
            {
                map = next;
                Array.Fill(owner, index, first, count);
            }
        }

        return (owner, map);
    }

    private static MemoryRegion RegionOf(int index, int first, int count) =>
        new((ulong)first * Page, (ulong)count * Page, HostOf(index), RegionTraits.None);

    private static nuint HostOf(int index) => (nuint)((ulong)(index + 1) << 32);

    private static void AssertSame(int[] owner, RegionMap map)
    {
        for (int page = 0; page < owner.Length; page++)
        {
            MemoryRegion? region = map.Find(((ulong)page * Page) + 5);
            Assert.Equal(owner[page] >= 0, region is not null);
            if (region is not null)
            {
                Assert.Equal(HostOf(owner[page]), region.HostAddressOf(region.GuestAddress));
            }
        }

        ulong end = 0;
        foreach (MemoryRegion region in map.Regions)
        {
            Assert.True(region.GuestAddress >= end);
            end = region.End;
        }
    }

    private static void AssertSegments(int[] owner, RegionMap map, int first, int count)
    {
        int page = first;
        foreach (MemorySegment segment in map.Segments((ulong)first * Page, (ulong)count * Page))
        {
            Assert.Equal((ulong)page * Page, segment.GuestAddress);
            Assert.Equal(map.Find(segment.GuestAddress)!.HostAddressOf(segment.GuestAddress), segment.HostAddress);
            for (ulong left = segment.Length; left > 0; left -= Page)
            {
                Assert.Equal(owner[(int)(segment.GuestAddress / Page)], owner[page++]);
            }
        }

        Assert.Equal(first + count, page);
    }
}
