using System.Diagnostics;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;
using Xunit.Abstractions;

namespace Memctl.Top.Tests;

/// <summary>A guest of 64 GiB, all of it resident in 4 KiB pages: the most work that its size can make.</summary>
/// <remarks>
/// Figures: <c>dotnet test tests/Memctl.Top.Tests --filter LargeGuest --logger "console;verbosity=detailed"</c>. Limits are on
/// processor time, which is that of an idle machine on a busy one too.
/// </remarks>
[Collection(nameof(Alone))]
public sealed class LargeGuestTests(ITestOutputHelper output)
{
    private const int Mib = 64 << 10;
    private const ulong Bytes = (ulong)Mib << 20;

    [Fact]
    public async Task Guest_Of64Gib_IsDrawnWithinASecondInBoundedMemory()
    {
        using var guest = new StandIn("folded", Mib);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        await reader.ReadAsync(MapWindow.All(48));

        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        TimeSpan used = ProcessorTime();
        Snapshot vm = Assert.Single(await reader.ReadAsync(MapWindow.All(48)));
        string page = HtmlReport.Page([vm]);
        used = ProcessorTime() - used;
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        output.WriteLine(
            $"64 GiB, all resident: read and drawn in {used.TotalMilliseconds:0} ms of processor time, " +
            $"{vm.ReadMilliseconds:0} ms to read, {allocated >> 10} KiB allocated");
        Assert.Equal((Bytes, Bytes), (vm.Totals.Ram, vm.Totals.Resident));
        Assert.Contains("resident", page, StringComparison.Ordinal);
        Assert.InRange(used, TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.InRange(allocated, 0, 16 << 20);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task EachRead_OfALargeGuest_IsShort(bool mayScan)
    {
        using var guest = new StandIn("folded", Mib);
        using var api = new VmmApi(guest.Socket, VmmApi.LongPatience);
        RamSegment ram = (await api.ReportsAsync())[0].Report.Memory[0];
        using var pages = new PageReader($"/proc/{guest.Pid}/pagemap", StandIn.Page, mayScan);
        var shortest = TimeSpan.MaxValue;
        for (ulong at = ram.HostAddress; at < ram.HostAddress + ram.Length; at += PageReader.MaxBytesOfCall)
        {
            long started = Stopwatch.GetTimestamp();
            pages.Read(at, at + PageReader.MaxBytesOfCall, static (_, _, _) => { });
            TimeSpan took = Stopwatch.GetElapsedTime(started);
            shortest = took < shortest ? took : shortest;
        }

        // The shortest: the others may have waited for a processor.
        string way = pages.HasScan ? "PAGEMAP_SCAN" : "pagemap";
        output.WriteLine($"{PageReader.MaxBytesOfCall >> 20} MiB, {way}: {shortest.TotalMicroseconds:0} us");
        Assert.InRange(shortest, TimeSpan.Zero, TimeSpan.FromMilliseconds(10));
    }

    private static TimeSpan ProcessorTime()
    {
        using var process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }
}

/// <summary>Tests that measure: no other runs beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
