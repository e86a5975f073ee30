using FsCheck;
using FsCheck.Fluent;
using Memctl.Device.Attributes;
using Memctl.Device.Host;
using Memctl.Device.Protocol;

namespace Memctl.Device.Tests.Ranges;

/// <summary>The attribute map against an array with one entry for each page.</summary>
public sealed class AttributeMapProperties
{
    private const ulong Page = 4096;
    private const int Pages = 24;

    private static readonly Function[] _functions =
    [
        Function.MLOCK, Function.MUNLOCK, Function.DONTDUMP, Function.MERGEABLE, Function.UNMERGEABLE,
        Function.MPROTECT_NONE, Function.MPROTECT_R, Function.MPROTECT_W, Function.MPROTECT_RW, Function.SET_VMA_ANON_NAME,
    ];

    private static Arbitrary<Step[]> Steps =>
        Gen.Choose(0, _functions.Length - 1)
            .SelectMany(function => Gen.Choose(0, Pages - 1)
                .SelectMany(first => Gen.Choose(1, 8)
                    .Select(count => new Step(function, first, Math.Min(count, Pages - first), (ulong)(first % 3)))))
            .ArrayOf().ToArbitrary();

    [Fact]
    public void TryAssign_AnyChanges_IsWhatEachPageSays() => Prop.ForAll(Steps, steps =>
    {
        var map = new AttributeMap(Pages);
        var pages = new PageAttributes[Pages];
        foreach (Step step in steps)
        {
            map = Take(map, pages, step, Pages);
            AssertSame(pages, map);
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void TryAssign_WithLittleRoom_RefusesExactlyWhatDoesNotFit() => Prop.ForAll(Steps, steps =>
    {
        const int Capacity = 3;
        var map = new AttributeMap(Capacity);
        var pages = new PageAttributes[Pages];
        foreach (Step step in steps)
        {
            PageAttributes[] after = [.. pages];
            step.ApplyTo(after);
            var next = new AttributeMap(Capacity);
            bool fits = TryTake(next, map, step);
            Assert.Equal(RunsOf(after).Count <= Capacity, fits);
            if (fits)
            {
                map = next;
                pages = after;
                AssertSame(pages, map);
            }
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void IsClosedAndIndexOf_AnyRange_AreWhatEachPageSays() => Prop.ForAll(Steps, steps =>
    {
        var map = new AttributeMap(Pages);
        var pages = new PageAttributes[Pages];
        foreach (Step step in steps)
        {
            map = Take(map, pages, step, Pages);
        }

        for (int first = 0; first < Pages; first++)
        {
            Assert.Equal(map.Runs.ToArray().Count(run => run.End <= (ulong)first * Page), map.IndexOf((ulong)first * Page));
            for (int count = 1; count <= Pages - first; count++)
            {
                bool closed = pages.Skip(first).Take(count).Any(page => (page.Closed & MemoryProtection.Write) != 0);
                ulong start = (ulong)first * Page;
                Assert.Equal(closed, map.IsClosed(start, start + ((ulong)count * Page)));
                Assert.Equal(closed, map.IsClosed(start + Page - 1, start + ((ulong)(count - 1) * Page) + 1) || closed);
            }
        }
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0x0fff, 0x1000, false)]
    [InlineData(0x0fff, 0x1001, true)]
    [InlineData(0x1fff, 0x2000, true)]
    [InlineData(0x2000, 0x2001, false)]
    public void IsClosed_OneByteAtTheEdge_IsExact(ulong start, ulong end, bool closed)
    {
        var map = new AttributeMap(4);
        Assert.True(map.TryAssign(new AttributeMap(0), 0x1000, 0x2000, new AttributeChange(Function.MPROTECT_R)));

        Assert.Equal(closed, map.IsClosed(start, end));
    }

    private static AttributeMap Take(AttributeMap map, PageAttributes[] pages, Step step, int capacity)
    {
        step.ApplyTo(pages);
        var next = new AttributeMap(capacity);
        Assert.True(TryTake(next, map, step));
        return next;
    }

    private static bool TryTake(AttributeMap next, AttributeMap map, Step step) =>
        next.TryAssign(map, step.Start, step.End, new AttributeChange(_functions[step.Function], step.Name));

    private static List<(int First, int End, PageAttributes Attributes)> RunsOf(PageAttributes[] pages)
    {
        var runs = new List<(int First, int End, PageAttributes Attributes)>();
        for (int page = 0; page < pages.Length; page++)
        {
            if (pages[page] == default)
            {
                continue;
            }

            if (runs.Count > 0 && runs[^1].End == page && runs[^1].Attributes == pages[page])
            {
                runs[^1] = runs[^1] with { End = page + 1 };
            }
            else
            {
                runs.Add((page, page + 1, pages[page]));
            }
        }

        return runs;
    }

    private static void AssertSame(PageAttributes[] pages, AttributeMap map)
    {
        Assert.Equal(
            RunsOf(pages).Select(run => new AttributeExtent((ulong)run.First * Page, (ulong)run.End * Page, run.Attributes)),
            map.Runs.ToArray());
        Assert.Equal((ulong)pages.Count(page => page.Locked) * Page, map.LockedBytes);
        int differences = Enumerable.Range(0, Pages + 1)
            .Count(edge => (edge == 0 ? default : pages[edge - 1]) != (edge == Pages ? default : pages[edge]));
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
                    Protocol.Function.MLOCK => pages[page] with { Locked = true },
                    Protocol.Function.MUNLOCK => pages[page] with { Locked = false },
                    Protocol.Function.DONTDUMP => pages[page] with { DontDump = true },
                    Protocol.Function.MERGEABLE => pages[page] with { Merging = Merging.Mergeable },
                    Protocol.Function.UNMERGEABLE => pages[page] with { Merging = Merging.Unmergeable },
                    Protocol.Function.MPROTECT_NONE => pages[page] with { Closed = MemoryProtection.Read | MemoryProtection.Write },
                    Protocol.Function.MPROTECT_R => pages[page] with { Closed = MemoryProtection.Write },
                    Protocol.Function.MPROTECT_W => pages[page] with { Closed = MemoryProtection.Read },
                    Protocol.Function.MPROTECT_RW => pages[page] with { Closed = MemoryProtection.None },
                    _ => pages[page] with { Name = Name },
                };
            }
        }
    }
}
