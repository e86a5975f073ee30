namespace Memctl.Schedules;

/// <summary>
/// What mutants.pl puts into a copy of the device's sources: each lacks one thing that grace periods need, if it is chosen.
/// </summary>
internal static class Mutants
{
    /// <summary>The name of the mutant that runs.</summary>
    internal static string Chosen { get; set; } = "";

    internal static bool Is(string name) => Chosen == name;

    /// <summary>A store that nothing orders with the loads after it.</summary>
    internal static int StoreWithoutFence(ref int location, int value)
    {
        Run.Step(new Operation("store without a fence"));
        Run.Store(ref location, value);
        return value;
    }

    /// <summary>A store that nothing orders with the stores before it.</summary>
    internal static int AddWithoutRelease(ref int location, int value)
    {
        Run.Step(new Operation("store without release"));
        location += value;
        Run.Changed();
        return location;
    }
}
