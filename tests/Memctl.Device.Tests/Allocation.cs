namespace Memctl.Device.Tests;

/// <summary>Tells what a piece of work allocates on its thread once its code is compiled in full: before, code boxes here and there.</summary>
internal static class Allocation
{
    private const int MostBatches = 50;

    /// <summary>Does the work until it allocates nothing. What allocates on every turn does so in every batch, and fails.</summary>
    /// <returns>How often the work was done.</returns>
    internal static int AssertSettlesAtZero(Action batch)
    {
        long allocated = 1;
        int batches = 0;
        while (allocated != 0 && batches < MostBatches)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            batch();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            batches++;
        }

        Assert.Equal(0, allocated);
        return batches;
    }
}
