namespace Memctl.Device.Protocol;

/// <summary>A set of functions, and the named groups in which a policy speaks of them.</summary>
/// <param name="Bits">One bit for each <see cref="Function"/>, at the position of its value.</param>
public readonly record struct FunctionSet(uint Bits)
{
    /// <summary>No function.</summary>
    public static FunctionSet None => new(0);

    /// <summary>Every function.</summary>
    public static FunctionSet All => new((1u << ((int)Function.SET_VMA_ANON_NAME + 1)) - 1);

    /// <summary>The functions that drop memory contents.</summary>
    public static FunctionSet Discard => Of(Function.DONTNEED, Function.REMOVE, Function.FREE);

    /// <summary>Whether the set has this function.</summary>
    public bool Contains(Function function) => (Bits & (1u << (int)function)) != 0;

    /// <summary>The functions of either set.</summary>
    public FunctionSet With(FunctionSet other) => new(Bits | other.Bits);

    /// <summary>The functions of this set that the other lacks.</summary>
    public FunctionSet Without(FunctionSet other) => new(Bits & ~other.Bits);

    /// <summary>The set of exactly these functions.</summary>
    public static FunctionSet Of(params ReadOnlySpan<Function> functions)
    {
        uint bits = 0;
        foreach (Function function in functions)
        {
            bits |= 1u << (int)function;
        }

        return new FunctionSet(bits);
    }

    /// <summary>Finds a group (<c>discard</c>, <c>lock</c>, ...) or a single function by its wire name, in any case.</summary>
    public static bool TryParse(string name, out FunctionSet set)
    {
        FunctionSet? group = name.ToLowerInvariant() switch
        {
            "discard" => Discard,
            "lock" => Of(Function.MLOCK, Function.MUNLOCK),
            "protect" => Of(Function.MPROTECT_NONE, Function.MPROTECT_R, Function.MPROTECT_W, Function.MPROTECT_RW),
            "dump" => Of(Function.DONTDUMP),
            "merge" => Of(Function.MERGEABLE, Function.UNMERGEABLE),
            "name" => Of(Function.SET_VMA_ANON_NAME),
            _ => null,
        };
        if (group is null && char.IsAsciiLetter(name.FirstOrDefault()) && Enum.TryParse(name, ignoreCase: true, out Function function))
        {
            group = Of(function);
        }

        set = group ?? None;
        return group is not null;
    }
}
