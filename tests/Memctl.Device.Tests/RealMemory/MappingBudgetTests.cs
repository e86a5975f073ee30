using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.RealMemory;

/// <summary>The kernel's own count of mappings against the budget, on memory that nobody has touched: the guest's best case.</summary>
public sealed class MappingBudgetTests
{
    private const ulong Pages = 512;
    private const int MaxSplits = 64;

    /// <summary>Functions that split, and what undoes them.</summary>
    public static TheoryData<string, string> Pairs => new()
    {
        { "MLOCK", "MUNLOCK" },
        { "MPROTECT_NONE", "MPROTECT_RW" },
        { "MPROTECT_R", "MPROTECT_RW" },
        { "MPROTECT_W", "MPROTECT_RW" },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SplitAndMerge_OfAlternatePagesOfUntouchedMemory_LeavesOneMapping(string splits, string merges)
    {
        using var guest = new RealGuest(Pages, options: $"max_splits={MaxSplits}");
        for (ulong page = 1; page < Pages - 1; page += 2)
        {
            Assert.Equal(0, guest.Request(splits, page, 1));

            // Both neighbours get an anon_vma each, and different ones if the region was not made ready.
            guest.Ram.Bytes((nuint)((page - 1) * Wire.Page), 1)[0] = 1;
            guest.Ram.Bytes((nuint)((page + 1) * Wire.Page), 1)[0] = 1;
            Assert.Equal(0, guest.Request(merges, page, 1));
        }

        Assert.Equal(0u, Splits(guest));
        Assert.Equal(1, guest.Mappings);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Split_OfAsManyPagesAsTheGuestLikes_StaysWithinTheBudget(string splits, string merges)
    {
        using var guest = new RealGuest(Pages, options: $"max_splits={MaxSplits}");
        int refused = 0;
        for (int round = 0; round < 3; round++)
        {
            for (ulong page = (ulong)round; page < Pages; page += 2)
            {
                refused += guest.Request(splits, page, 1) == Wire.ENOMEM ? 1 : 0;
                refused += page % 3 == 0 && guest.Request(merges, page, 1) == Wire.ENOMEM ? 1 : 0;
            }

            Assert.True(guest.Mappings <= 1 + MaxSplits, $"{guest.Mappings} mappings");
        }

        Assert.True(refused > 100);
        Assert.Equal(0, guest.Request(merges, 0, Pages));
        Assert.Equal(1, guest.Mappings);
    }

    [Theory]
    [InlineData("DONTDUMP", false)]
    [InlineData("DONTDUMP", true)]
    [InlineData("MLOCK", true)]
    [InlineData("MPROTECT_NONE", true)]
    public void Split_ThatReachesTheBudget_IsCountedByTheKernelAsByTheDevice(string function, bool shared)
    {
        using var guest = new RealGuest(Pages, shared, $"max_splits={MaxSplits}");
        ulong page = 1;
        while (guest.Request(function, page, 1) == 0)
        {
            page += 2;
        }

        Assert.Equal(1u + (2u * (MaxSplits / 2)), page);
        Assert.Equal((ulong)MaxSplits, Splits(guest));
        Assert.Equal(1 + MaxSplits, guest.Mappings);
        guest.Device.Reset();
        Assert.Equal(1, guest.Mappings);
    }

    private static ulong Splits(RealGuest guest) => guest.Device.Counters().Single(counter => counter.Name == "splits").Value;
}
