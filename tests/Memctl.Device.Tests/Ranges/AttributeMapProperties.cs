using FsCheck;
using FsCheck.Fluent;
using Memctl.Device.Attributes;
using Memctl.Device.Functions;
using Memctl.Device.Host;

namespace Memctl.Device.Tests.Ranges;

/// <summary>The attribute map against an array with one entry for each page.</summary>
public sealed class AttributeMapProperties
{
    private const ulong Page = 4096;
    private const int Pages = 24;

    private static readonly string[] _functions =
    [
        "MLOCK", "MUNLOCK", "DONTDUMP", "MERGEABLE", "UNMERGEABLE", "MPROTECT_NONE", "MPROTECT_R", "MPROTECT_W", "MPROTECT_RW", "SET_VMA_ANON_NAME",
    ];

    private static Arbitrary<Step[]> Steps => StepsOf(Pages).ToArbitrary();

    [Fact]
    public void Apply_AnyChanges_IsWhatEachPageSays() => Prop.ForAll(Steps, steps => AssertChanges(steps, Pages)).QuickCheckThrowOnFailure();

    /// <summary>Enough boundaries for many leaves, which divide and join.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Apply_ManyChangesOfManyPages_IsWhatEachPageSays(int seed)
    {
        const int Many = 2000;
        var random = new Random(seed);
        var map = new AttributeMap(Many + 1);
        var pages = new PageAttributes[Many];
        for (int round = 0; round < 20_000; round++)
        {
            // Single pages for half of the time, wide ranges that join what they left for the rest.
            int count = random.Next(2) == 0 || round % 4000 < 3000 ? 1 : random.Next(1, 300);
            int first = random.Next(Many - count + 1);
            Take(map, pages, new Step(random.Next(_functions.Length), first, count, (ulong)random.Next(3)));
            if (round % 1000 == 999)
            {
                AssertSame(pages, map);
            }
        }
    }

    [Fact]
    public void Apply_OfEveryOtherPageInAnyOrder_FillsToCapacityAndEmptiesAgain()
    {
        const int Many = 8192;
        var map = new AttributeMap(2 * Many);
        int[] order = [.. Enumerable.Range(0, Many)];
        new Random(7).Shuffle(order);
        foreach (int page in order)
        {
            map.Apply((ulong)(2 * page) * Page, (ulong)((2 * page) + 1) * Page, ChangeOf("MLOCK"));
        }

        Assert.Equal(2 * Many, map.Splits);
        Assert.Equal(Many * Page, map.LockedBytes);
        Array.Reverse(order);
        foreach (int page in order)
        {
            map.Apply((ulong)(2 * page) * Page, (ulong)((2 * page) + 1) * Page, ChangeOf("MUNLOCK"));
        }

        Assert.Equal(0, map.Splits);
        Assert.Empty(map.Extents());
    }

    [Fact]
    public void Measure_AnyChange_IsTheCostAfterIt() => Prop.ForAll(Steps, steps =>
    {
        var map = new AttributeMap(Pages + 1);
        foreach (Step step in steps)
        {
            AttributeCosts costs = map.Measure(step.Start, step.End, ChangeOf(step));
            map.Apply(step.Start, step.End, ChangeOf(step));
            Assert.Equal(new AttributeCosts(map.Splits, map.LockedBytes), costs);
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void ExtentsAndStretches_AnyRange_AreWhatEachPageSays() => Prop.ForAll(Steps, steps =>
    {
        var map = new AttributeMap(Pages + 1);
        var pages = new PageAttributes[Pages];
        foreach (Step step in steps)
        {
            Take(map, pages, step);
        }

        for (int first = 0; first < Pages; first++)
        {
            for (int count = 1; count <= Pages - first; count++)
            {
                ulong start = (ulong)first * Page;
                ulong end = start + ((ulong)count * Page);
                PageAttributes[] range = pages[first..(first + count)];
                Assert.Equal(range.Any(page => page.IsProtected), map.IsProtected(start, end));
                Assert.Equal(range.All(page => page == default), map.IsAsRegistered(start, end));
                AttributeExtent extent = map.ExtentAt(start, end);
                int same = range.TakeWhile(page => page == range[0]).Count();
                Assert.Equal(new AttributeExtent(start, start + ((ulong)same * Page), range[0]), extent);
                AssertStretch(map, range, start, end);
            }
        }
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0x0fff, 0x1000, false)]
    [InlineData(0x0fff, 0x1001, true)]
    [InlineData(0x1fff, 0x2000, true)]
    [InlineData(0x2000, 0x2001, false)]
    public void IsProtected_OneByteAtTheEdge_IsExact(ulong start, ulong end, bool isProtected)
    {
        var map = new AttributeMap(4);
        map.Apply(0x1000, 0x2000, ChangeOf("MPROTECT_R"));

        Assert.Equal(isProtected, map.IsProtected(start, end));
    }

    private static Gen<Step[]> StepsOf(int pages) =>
        Gen.Choose(0, _functions.Length - 1)
            .SelectMany(function => Gen.Choose(0, pages - 1)
                .SelectMany(first => Gen.Choose(1, 8)
                    .Select(count => new Step(function, first, Math.Min(count, pages - first), (ulong)(first % 3)))))
            .ArrayOf();

    private static void AssertChanges(Step[] steps, int pageCount)
    {
        var map = new AttributeMap(pageCount + 1);
        var pages = new PageAttributes[pageCount];
        foreach (Step step in steps)
        {
            Take(map, pages, step);
            AssertSame(pages, map);
        }
    }

    private static void AssertStretch(AttributeMap map, PageAttributes[] range, ulong start, ulong end)
    {
        foreach (AttributeKind kind in Enum.GetValues<AttributeKind>())
        {
            int from = Array.FindIndex(range, page => page.Has(kind));
            int joined = from < 0 ? -1 : Array.FindIndex(range, from, page => !page.Has(kind));
            int last = Array.FindLastIndex(range, page => page.Has(kind));
            (ulong, ulong) none = (end, end);
            Assert.Equal(
                from < 0 ? none : (start + ((ulong)from * Page), joined < 0 ? end : start + ((ulong)joined * Page)),
                map.NextStretch(kind, start, end, overGaps: false));
            Assert.Equal(
                from < 0 ? none : (start + ((ulong)from * Page), start + ((ulong)(last + 1) * Page)),
                map.NextStretch(kind, start, end, overGaps: true));
        }
    }

    private static void Take(AttributeMap map, PageAttributes[] pages, Step step)
    {
        step.ApplyTo(pages);
        map.Apply(step.Start, step.End, ChangeOf(step));
    }

    private static AttributeChange ChangeOf(Step step) => ChangeOf(_functions[step.Function], step.Name);

    private static AttributeChange ChangeOf(string function, ulong arg = 0) => AttributeChange.By(FunctionTable.Find(function)!, arg);

    private static void AssertSame(PageAttributes[] pages, AttributeMap map)
    {
        var extents = new List<AttributeExtent>();
        for (int page = 0; page < pages.Length; page++)
        {
            ulong start = (ulong)page * Page;
            if (extents.Count > 0 && extents[^1].End == start && extents[^1].Attributes == pages[page])
            {
                extents[^1] = extents[^1] with { End = start + Page };
            }
            else if (pages[page] != default)
            {
                extents.Add(new AttributeExtent(start, start + Page, pages[page]));
            }
        }

        Assert.Equal(extents, map.Extents());
        Assert.Equal((ulong)pages.Count(page => page.Locked) * Page, map.LockedBytes);
        Assert.Equal((ulong)pages.Count(page => page.Protection == MemoryProtection.None) * Page, map.InaccessibleBytes);
        int differences = Enumerable.Range(0, pages.Length + 1)
            .Count(edge => (edge == 0 ? default : pages[edge - 1]) != (edge == pages.Length ? default : pages[edge]));
        Assert.Equal(differences, map.Splits);
    }

    /// <summary>A change of some pages; Function is an index into the functions above.</summary>
    private sealed record Step(int Function, int First, int Count, ulong Name)
    {
        internal ulong Start => (ulong)First * Page;

        internal ulong End => (ulong)(First + Count) * Page;

        /// <summary>The change once more, in the test's own words.</summary>
        internal void ApplyTo(PageAttributes[] pages)
        {
            for (int page = First; page < First + Count; page++)
            {
                pages[page] = _functions[Function] switch
                {
                    "MLOCK" => pages[page] with { Locked = true },
                    "MUNLOCK" => pages[page] with { Locked = false },
                    "DONTDUMP" => pages[page] with { DontDump = true },
                    "MERGEABLE" => pages[page] with { Merging = Merging.Mergeable },
                    "UNMERGEABLE" => pages[page] with { Merging = Merging.Unmergeable },
                    "MPROTECT_NONE" => pages[page] with { Denied = MemoryProtection.Read | MemoryProtection.Write },
                    "MPROTECT_R" => pages[page] with { Denied = MemoryProtection.Write },
                    "MPROTECT_W" => pages[page] with { Denied = MemoryProtection.Read },
                    "MPROTECT_RW" => pages[page] with { Denied = MemoryProtection.None },
                    _ => pages[page] with { Name = Name },
                };
            }
        }
    }
}
