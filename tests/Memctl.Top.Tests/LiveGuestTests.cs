using System.Diagnostics;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;

namespace Memctl.Top.Tests;

/// <summary>What a guest does to real memory, through the real library, as snapshots show it.</summary>
public sealed class LiveGuestTests
{
    private const ulong Mib = StandIn.Mib;

    [Theory]
    [InlineData("private", GuestFunction.DONTNEED)]
    [InlineData("shared", GuestFunction.REMOVE)]
    public async Task Guest_TouchesAndGivesBack_ResidentFollows(string backing, GuestFunction giveBack)
    {
        using var guest = new StandIn(backing, 64);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        guest.Touch(0, StandIn.Page); // The buffer of its requests.
        ulong before = (await SnapshotOf(reader)).Totals.Resident;

        guest.Touch(8 * Mib, 16 * Mib);
        Snapshot touched = await SnapshotOf(reader);
        Assert.Equal(before + (16 * Mib), touched.Totals.Resident);
        Assert.Equal('R', LetterAt(touched, 8 * Mib));
        Assert.Equal('.', LetterAt(touched, 32 * Mib));

        Assert.Equal(0, guest.Ask(giveBack, 8 * Mib, 12 * Mib));
        Snapshot given = await SnapshotOf(reader);
        Assert.Equal(before + (4 * Mib), given.Totals.Resident);
        Assert.Equal(12 * Mib, given.GivenBack);
        Assert.Equal('.', LetterAt(given, 8 * Mib));
        Assert.Equal('R', LetterAt(given, 20 * Mib));
    }

    [Fact]
    public async Task SharedGuest_WithDontneed_StaysResident()
    {
        using var guest = new StandIn("shared", 64);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        guest.Touch(8 * Mib, 16 * Mib);
        Assert.Equal(0, guest.Ask(GuestFunction.DONTNEED, 8 * Mib, 16 * Mib));
        Snapshot vm = await SnapshotOf(reader);
        if (vm.Unseen.Count == 0)
        {
            Assert.Equal('R', LetterAt(vm, 8 * Mib));
        }
        else
        {
            Assert.Contains("CAP_SYS_ADMIN", Assert.Single(vm.Unseen), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(GuestFunction.MLOCK, 'L')]
    [InlineData(GuestFunction.MPROTECT_NONE, 'G')]
    [InlineData(GuestFunction.MPROTECT_R, 'W')]
    [InlineData(GuestFunction.DONTDUMP, 'D')]
    [InlineData(GuestFunction.UNMERGEABLE, 'U')]
    public async Task Guest_SetsAnAttribute_CellsShowItWithinASecond(GuestFunction function, char letter)
    {
        using var guest = new StandIn("private", 64);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        await SnapshotOf(reader);
        Mark mark = Mark.All.Single(mark => mark.Letter == letter);
        var shortest = TimeSpan.MaxValue;
        for (ulong count = 1; count <= 3; count++)
        {
            ulong at = count * 16 * Mib;
            long asked = Stopwatch.GetTimestamp();
            Assert.Equal(0, guest.Ask(function, at, 2 * Mib));
            Snapshot vm = await SnapshotOf(reader);
            TimeSpan took = Stopwatch.GetElapsedTime(asked);
            shortest = took < shortest ? took : shortest;
            Assert.Equal(letter, LetterAt(vm, at));
            Assert.Equal('.', LetterAt(vm, at + (2 * Mib)));
            Assert.Equal(count * 2 * Mib, mark.Bytes(vm.Totals));
        }

        // The shortest: the others may have waited for a processor.
        Assert.InRange(shortest, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Requests_BetweenTwoSamples_AreCountedBySecond()
    {
        using var guest = new StandIn("private", 64);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        await reader.BeginRatesAsync();
        for (int count = 0; count < 50; count++)
        {
            guest.Ask(GuestFunction.DONTNEED, Mib, StandIn.Page);
        }

        Snapshot vm = await SnapshotOf(reader);
        Assert.True(vm.Rates!["DONTNEED"] > 1, $"{vm.Rates["DONTNEED"]} a second");
        Assert.Equal(0, vm.Rates["MLOCK"]);
        Assert.Equal(0, (await SnapshotOf(reader)).Rates!["DONTNEED"]);
    }

    [Fact]
    public async Task Host_WithARunningVm_FindsItByProcessSocketAndName()
    {
        using var guest = new StandIn("private", 16);
        foreach (string which in new[] { $"{guest.Pid}", guest.Socket, "vm-one" })
        {
            using HostReader host = await HostReader.OfOneAsync(new ProcFiles(), which, VmmApi.LongPatience);
            Snapshot vm = Assert.Single(await host.ReadAsync(_ => MapWindow.All(8)));
            Assert.Equal((guest.Pid, "vm-one", 16 * Mib), (vm.Pid, vm.Name, vm.Totals.Ram));
        }

        using HostReader all = HostReader.OfAll(new ProcFiles(), VmmApi.LongPatience);
        Assert.Contains(await all.ReadAsync(_ => MapWindow.All(8)), vm => vm.Pid == guest.Pid);
    }

    [Fact]
    public async Task Vmm_WithoutAnswer_IsShownWithTheReason()
    {
        var gone = new Vmm(Environment.ProcessId, "gone", "/nonexistent/socket");
        using var reader = new VmReader(new ProcFiles(), gone, VmmApi.LongPatience);
        Snapshot vm = Assert.Single(await reader.ReadAsync(MapWindow.All(8)));
        Assert.Contains("the VMM's API", Assert.Single(vm.Unseen), StringComparison.Ordinal);
    }

    [Fact]
    public void PageReader_WithAndWithoutScan_SeesTheSame()
    {
        using var guest = new StandIn("private", 16);
        for (ulong page = 0; page < 1024; page += 3)
        {
            guest.Touch(4 * Mib + (page * StandIn.Page), StandIn.Page * (1 + (page % 2)));
        }

        List<(ulong, ulong, PageKind)> scanned = Pages(guest, mayScan: true);
        Assert.True(scanned.Count > 600, $"{scanned.Count} extents");
        Assert.Equal(Pages(guest, mayScan: false), scanned);
    }

    /// <summary>Extents of the kinds that both ways tell apart, neighbours joined.</summary>
    private static List<(ulong Start, ulong End, PageKind Kind)> Pages(StandIn guest, bool mayScan)
    {
        RamSegment ram = AnswersOf(guest).Report.Memory[0];
        var pages = new List<(ulong Start, ulong End, PageKind Kind)>();
        using var reader = new PageReader($"/proc/{guest.Pid}/pagemap", StandIn.Page, mayScan);
        Assert.True(mayScan || !reader.HasScan);
        reader.Read(ram.HostAddress, ram.HostAddress + ram.Length, (start, end, kind) =>
        {
            if (pages is [.., var last] && last.Kind == kind)
            {
                pages[^1] = last with { End = end };
            }
            else
            {
                pages.Add((start, end, kind));
            }
        });
        return pages;
    }

    private static DeviceAnswer AnswersOf(StandIn guest)
    {
        using var api = new VmmApi(guest.Socket, VmmApi.LongPatience);
        return api.ReportsAsync().GetAwaiter().GetResult()[0];
    }

    private static async Task<Snapshot> SnapshotOf(VmReader reader) => Assert.Single(await reader.ReadAsync(MapWindow.All(32)));

    private static char LetterAt(Snapshot vm, ulong address) =>
        Mark.LetterOf(vm.Map!.Cells.Single(cell => cell.Address <= address && address < cell.Address + vm.Map.CellBytes));
}
