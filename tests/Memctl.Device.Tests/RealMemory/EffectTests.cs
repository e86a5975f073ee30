using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.RealMemory;

/// <summary>Each function on real mappings: the effect is what the kernel says of this process, not what the device answers.</summary>
public sealed class EffectTests
{
    [Fact]
    public void Dontneed_OnPrivateMemory_FreesAndZeroesExactlyThosePages()
    {
        using RealGuest guest = Filled(shared: false);

        Assert.Equal(0, guest.Request("DONTNEED", 2, 3));

        Assert.Equal([true, true, false, false, false, true, true, true], Present(guest));
        Assert.Equal(5ul * 4, Smaps.Kilobytes(guest.Ram.Address, guest.Ram.Length, "Rss"));
        Assert.Equal([0xA5, 0, 0, 0, 0xA5], FirstBytes(guest, 1, 5));
    }

    [Fact]
    public void Dontneed_OnSharedMemory_DropsTheMappingAndTheBytesComeBack()
    {
        using RealGuest guest = Filled(shared: true);

        Assert.Equal(0, guest.Request("DONTNEED", 2, 3));

        Assert.Equal([true, true, false, false, false, true, true, true], Present(guest));
        Assert.Equal([0xA5, 0xA5, 0xA5, 0xA5, 0xA5], FirstBytes(guest, 1, 5));
    }

    [Fact]
    public void Remove_OnSharedMemory_PunchesAHole()
    {
        using RealGuest guest = Filled(shared: true);

        Assert.Equal(0, guest.Request("REMOVE", 2, 3));

        Assert.Equal([true, true, false, false, false, true, true, true], Present(guest));
        Assert.Equal([0xA5, 0, 0, 0, 0xA5], FirstBytes(guest, 1, 5));
    }

    [Fact]
    public void Remove_OnPrivateMemory_IsTheKernelsEinvalAndChangesNothing()
    {
        using RealGuest guest = Filled(shared: false);

        Assert.Equal(Wire.EINVAL, guest.Request("REMOVE", 2, 3));

        Assert.All(Present(guest), Assert.True);
        Assert.Equal([0xA5, 0xA5], FirstBytes(guest, 2, 2));
    }

    [Fact]
    public void Free_OnPrivateMemory_MarksThosePagesFreeLazily()
    {
        using RealGuest guest = Filled(shared: false);

        Assert.Equal(0, guest.Request("FREE", 2, 3));

        // LazyFree counts a page only when its batch is full; that it is clean, and so may go, shows at once.
        Assert.Equal(3ul * 4, Smaps.Kilobytes(guest.Ram.Address, guest.Ram.Length, "Private_Clean"));
        Assert.Equal(5ul * 4, Smaps.Kilobytes(guest.Ram.Address, guest.Ram.Length, "Private_Dirty"));
    }

    [Fact]
    public void Free_OnSharedMemory_IsTheKernelsEinval()
    {
        using RealGuest guest = Filled(shared: true);

        Assert.Equal(Wire.EINVAL, guest.Request("FREE", 2, 3));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pageout_WithoutSwap_KeepsTheBytes(bool shared)
    {
        using RealGuest guest = Filled(shared);

        Assert.Equal(0, guest.Request("PAGEOUT", 2, 3));

        Assert.Equal([0xA5, 0xA5, 0xA5], FirstBytes(guest, 2, 3));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mlock_ThenMunlock_LocksThosePagesOfUntouchedMemoryAndMergesBack(bool shared)
    {
        using var guest = new RealGuest(8, shared);

        Assert.Equal(0, guest.Request("MLOCK", 2, 3));

        Assert.Equal([false, false, true, true, true, false, false, false], Present(guest));
        Assert.Contains("lo", guest.VmaOf(2).Flags);
        Assert.Equal(3ul * 4, guest.VmaOf(2).Kilobytes["Locked"]);
        Assert.DoesNotContain("lo", guest.VmaOf(1).Flags);
        Assert.DoesNotContain("lo", guest.VmaOf(5).Flags);
        Assert.Equal(3, guest.Mappings);
        Assert.Equal(0, guest.Request("MUNLOCK", 2, 3));
        Assert.Equal(1, guest.Mappings);
        Assert.DoesNotContain("lo", guest.VmaOf(2).Flags);
    }

    [Theory]
    [InlineData("MPROTECT_NONE", "---", false)]
    [InlineData("MPROTECT_R", "r--", false)]
    [InlineData("MPROTECT_W", "-w-", false)]
    [InlineData("MPROTECT_RW", "rw-", false)]
    [InlineData("MPROTECT_NONE", "---", true)]
    [InlineData("MPROTECT_R", "r--", true)]
    [InlineData("MPROTECT_W", "-w-", true)]
    [InlineData("MPROTECT_RW", "rw-", true)]
    public void Mprotect_OfPages_ChangesTheirAccessAndNoOther(string function, string access, bool shared)
    {
        using RealGuest guest = Filled(shared);
        Assert.Equal(0, guest.Request("MPROTECT_NONE", 2, 3));

        Assert.Equal(0, guest.Request(function, 2, 3));

        Assert.StartsWith(access, guest.VmaOf(2).Access, StringComparison.Ordinal);
        Assert.StartsWith(access, guest.VmaOf(4).Access, StringComparison.Ordinal);
        Assert.StartsWith("rw-", guest.VmaOf(1).Access, StringComparison.Ordinal);
        Assert.StartsWith("rw-", guest.VmaOf(5).Access, StringComparison.Ordinal);
        Assert.Equal(0, guest.Request("MPROTECT_RW", 2, 3));
        Assert.Equal(1, guest.Mappings);
        Assert.Equal([0xA5, 0xA5], FirstBytes(guest, 2, 2));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dontdump_OfPages_FlagsThemUntilReset(bool shared)
    {
        using RealGuest guest = Filled(shared);

        Assert.Equal(0, guest.Request("DONTDUMP", 2, 3));

        Assert.Contains("dd", guest.VmaOf(2).Flags);
        Assert.DoesNotContain("dd", guest.VmaOf(1).Flags);
        guest.Device.Reset();
        Assert.DoesNotContain("dd", guest.VmaOf(2).Flags);
        Assert.Equal(1, guest.Mappings);
    }

    [Fact]
    public void Unmergeable_OfMergeablePages_TakesTheirFlagUntilReset()
    {
        using var guest = new RealGuest(8, mergeable: true);
        int expected = guest.HasMerging ? 0 : Wire.EINVAL;
        Assert.Equal(guest.HasMerging, guest.VmaOf(2).Flags.Contains("mg"));

        Assert.Equal(expected, guest.Request("UNMERGEABLE", 2, 3));

        Assert.DoesNotContain("mg", guest.VmaOf(2).Flags);
        Assert.DoesNotContain("mg", guest.VmaOf(4).Flags);
        Assert.Equal(guest.HasMerging, guest.VmaOf(1).Flags.Contains("mg"));
        Assert.Equal(guest.HasMerging, guest.VmaOf(5).Flags.Contains("mg"));
        if (guest.HasMerging)
        {
            guest.Device.Reset();
            Assert.Contains("mg", guest.VmaOf(2).Flags);
            Assert.Equal(1, guest.Mappings);
        }
    }

    [Theory]
    [InlineData("dialect=pvmemcontrol", false)]
    [InlineData("dialect=pvmemcontrol,allow=merge", true)]
    public void Mergeable_OfPages_FlagsThemWhereTheOperatorAllowsIt(string options, bool allowed)
    {
        using var guest = new RealGuest(8, options: options);

        int errno = guest.Request("MERGEABLE", 2, 3);

        Assert.Equal(allowed, errno is 0 or Wire.EINVAL);
        Assert.Equal(errno == 0, guest.VmaOf(2).Flags.Contains("mg"));
        Assert.DoesNotContain("mg", guest.VmaOf(1).Flags);
    }

    [Fact]
    public void SetVmaAnonName_OfPages_NamesThemOrIsTheKernelsEinval()
    {
        using RealGuest guest = Filled(shared: false);

        int errno = guest.Request("SET_VMA_ANON_NAME", 2, 3, arg: 42);

        if (errno == 0)
        {
            Assert.Equal("[anon:memctl-42]", guest.VmaOf(2).Name);
            Assert.Equal("", guest.VmaOf(1).Name);
        }
        else
        {
            Assert.Equal(Wire.EINVAL, errno);
            Assert.Equal(1, guest.Mappings);
            Assert.Empty(guest.Device.Save().Attributes);
        }
    }

    [Theory]
    [InlineData("unregister")]
    [InlineData("reset")]
    public void Region_GivenBack_IsOneMappingAsItWas(string how)
    {
        using RealGuest guest = Filled(shared: false);
        foreach (string function in new[] { "MLOCK", "DONTDUMP", "UNMERGEABLE", "MPROTECT_NONE" })
        {
            Assert.Equal(0, guest.Request(function, 1, 1));
            Assert.Equal(0, guest.Request(function, 4, 2));
        }

        Assert.Equal(5, guest.Mappings);
        if (how == "reset")
        {
            guest.Device.Reset();
        }
        else
        {
            guest.Device.UnregisterMemory(RealGuest.Base, guest.Ram.Length);
        }

        Vma vma = Assert.Single(Smaps.Of(guest.Ram.Address, guest.Ram.Length));
        Assert.Equal("rw-p", vma.Access);
        Assert.DoesNotContain("lo", vma.Flags);
        Assert.DoesNotContain("dd", vma.Flags);
        Assert.Equal([0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5], FirstBytes(guest, 0, 8));
    }

    [Fact]
    public void Mlock_OfAClosedPage_IsTheKernelsEnomemAndRolledBack()
    {
        using RealGuest guest = Filled(shared: false);
        Assert.Equal(0, guest.Request("DONTNEED", 3, 1));
        Assert.Equal(0, guest.Request("MPROTECT_NONE", 3, 1));

        Assert.Equal(Wire.ENOMEM, guest.Request("MLOCK", 2, 3));

        Assert.All(Smaps.Of(guest.Ram.Address, guest.Ram.Length), vma => Assert.DoesNotContain("lo", vma.Flags));
        Assert.Equal(0u, guest.Device.Counters().Single(counter => counter.Name == "locked_bytes").Value);
    }

    private static RealGuest Filled(bool shared)
    {
        var guest = new RealGuest(8, shared);
        guest.Ram.Fill(0xA5);
        return guest;
    }

    private static IEnumerable<bool> Present(RealGuest guest) => Enumerable.Range(0, 8).Select(page => guest.IsPresent((ulong)page));

    private static int[] FirstBytes(RealGuest guest, int first, int count) =>
        [.. Enumerable.Range(first, count).Select(page => (int)guest.Ram.Bytes((nuint)page * 4096, 1)[0])];
}
