namespace Memctl.Device.Functions;

/// <summary>A set of functions, as a policy names it.</summary>
/// <param name="Bits">One bit for each function, at its <see cref="Function.Index"/>.</param>
public readonly record struct FunctionSet(uint Bits)
{
    /// <summary>No function.</summary>
    public static FunctionSet None => new(0);

    /// <summary>Every function.</summary>
    public static FunctionSet All => Where(static _ => true);

    /// <summary>Whether the set contains this function.</summary>
    public bool Contains(Function function) => (Bits & (1u << function.Index)) != 0;

    /// <summary>The functions of either set.</summary>
    public FunctionSet With(FunctionSet other) => new(Bits | other.Bits);

    /// <summary>The functions of this set that the other lacks.</summary>
    public FunctionSet Without(FunctionSet other) => new(Bits & ~other.Bits);

    /// <summary>The functions for which a condition holds.</summary>
    public static FunctionSet Where(Predicate<Function> condition)
    {
        uint bits = 0;
        foreach (Function function in FunctionTable.All)
        {
            bits |= condition(function) ? 1u << function.Index : 0;
        }

        return new FunctionSet(bits);
    }

    /// <summary>
    /// Finds a group (<c>discard</c>, <c>lock</c>, ...) or a single function by its wire name, in any case of letters.
    /// </summary>
    public static bool TryParse(string name, out FunctionSet set)
    {
        set = Where(function =>
            name.Equals(function.Group, StringComparison.OrdinalIgnoreCase) ||
            name.Equals(function.Name, StringComparison.OrdinalIgnoreCase));
        return set != None;
    }

    /// <summary>The names of all groups, in the order of the table.</summary>
    public static IEnumerable<string> GroupNames => FunctionTable.All.ToArray().Select(function => function.Group).OfType<string>().Distinct();
}
