namespace Memctl.Schedules;

/// <summary>Runs a scenario in every way that there is within a budget.</summary>
internal static class Explorer
{
    // What may be allocated before garbage is collected, between two runs; and in how many runs, as a device's pinned arrays are
    // not of that room.
    private const long Room = 1L << 28;
    private const long Runs = 256;

    /// <returns>How many runs there were, and what went wrong in the last.</returns>
    internal static (long Runs, string? Failure) Explore(Func<Scene> make, int budget)
    {
        var choices = new Choices();
        List<Worker> workers = [];
        using var isOver = new SemaphoreSlim(0);
        long runs = 0;
        long allocated = 0;
        do
        {
            if (runs % Runs == 0 || GC.GetTotalAllocatedBytes() - allocated > Room / 2)
            {
                // Throws if there was a collection after all, which may have moved what a store is to reach.
                if (runs > 0)
                {
                    GC.EndNoGCRegion();
                }

                GC.Collect();
                GC.TryStartNoGCRegion(Room);
                allocated = GC.GetTotalAllocatedBytes();
            }

            Scene scene = make();
            while (workers.Count < scene.Threads.Count)
            {
                workers.Add(new Worker());
            }

            for (int thread = 0; thread < scene.Threads.Count; thread++)
            {
                (string name, Action body) = scene.Threads[thread];
                workers[thread].Prepare(name, body);
            }

            var run = new Run(choices, budget, workers, isOver);
            run.Execute();
            runs++;
            if ((run.Failure ?? scene.Finally?.Invoke()) is { } failure)
            {
                GC.EndNoGCRegion();
                return (runs, $"{failure}\n{run.Describe()}");
            }
        }
        while (choices.Advance());

        GC.EndNoGCRegion();
        workers.ForEach(worker => worker.Dismiss());
        return (runs, null);
    }
}
