using Memctl.Schedules;

// Explores every scenario and prints a line for each: ok or failed, what it is, and how many schedules there were; after a failure
// its schedule. With the name of a mutant (mutants.pl) it tries few deviations first, and ends at the first failure.
Mutants.Chosen = args.Length > 0 ? args[0] : "";
bool isMutant = Mutants.Chosen.Length > 0;
bool hasFailed = false;
for (int most = isMutant ? 1 : Scenarios.MaxBudget; most <= Scenarios.MaxBudget && !(isMutant && hasFailed); most++)
{
    foreach ((string name, int budget, Func<Scene> make) in Scenarios.All.Where(one => !isMutant || one.Budget >= most))
    {
        int bound = Math.Min(budget, most);
        (long runs, string? failure) = Explorer.Explore(make, bound);
        hasFailed |= failure is not null;
        Console.WriteLine($"{(failure is null ? "ok" : "failed")}\t{name}\t{runs} schedules, deviations: {bound}");
        Console.Write(failure);
        if (isMutant && hasFailed)
        {
            break;
        }
    }
}

return hasFailed ? 1 : 0;
