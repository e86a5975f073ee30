using System.Runtime.CompilerServices;
namespace Memctl.Device.Functions;

/// <summary>
/// One of the two numberings of the protocol. Same registers, transport commands and buffer; they differ in function
/// codes, in the layout of INFO's answer, in the prefix of names, in what <c>ret_code</c> contains and in lists of ranges.
/// </summary>
public sealed class Dialect
{
    private readonly Function[] _functions;

    private Dialect(string name, Func<Function, int> codeOf)
    {
        Name = name;
        Function[] all = FunctionTable.All.ToArray();
        _functions = [.. all.Where(function => codeOf(function) != Function.NoCode).OrderBy(codeOf)];
    }

    /// <summary>The proposed protocol (protocol, "Function codes").</summary>
    public static Dialect Memctl { get; } = new("memctl", function => function.MemctlCode)
    {
        HasOwnErrorCodes = true,
        HasCommonInfo = false,
        HasLists = true,
    };

    /// <summary>The renamed protocol, as in Cloud Hypervisor since v41 (protocol, "Dialect pvmemcontrol").</summary>
    public static Dialect Pvmemcontrol { get; } = new("pvmemcontrol", function => function.PvmemcontrolCode) { HasCommonInfo = true };

    /// <summary>The key by which an operator picks the dialect; also the prefix of named ranges (<c>memctl-7</c>).</summary>
    public string Name { get; }

    /// <summary>
    /// Whether errors that the device finds carry a <c>DeviceError</c> in <c>ret_code</c>, or the request's function code.
    /// </summary>
    public bool HasOwnErrorCodes { get; private init; }

    /// <summary>Whether INFO answers in the layout of all other answers.</summary>
    public bool HasCommonInfo { get; private init; }

    /// <summary>Whether one request may carry a list of ranges (protocol, "Lists of ranges").</summary>
    public bool HasLists { get; private init; }

    /// <summary>The functions in the order of their codes, from code 0.</summary>
    public ReadOnlySpan<Function> Functions => _functions;

    /// <summary>Finds the dialect of that name.</summary>
    public static bool TryParse(string name, out Dialect dialect)
    {
        dialect = name == Pvmemcontrol.Name ? Pvmemcontrol : Memctl;
        return name == dialect.Name;
    }

    /// <summary>The function that a request's <c>func_code</c> names, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Function? Find(ulong code)
    {
        Function[] functions = _functions;
        return code < (ulong)functions.Length ? functions[code] : null;
    }
}
