using static Memctl.Device.Protocol.Function;

namespace Memctl.Device.Protocol;

/// <summary>
/// One of the two numberings of the protocol. Same registers, transport commands and buffer; they differ in function
/// codes, in the layout of INFO's answer, in the prefix of names and in what <c>ret_code</c> says.
/// </summary>
public sealed class Dialect
{
    /// <summary>The most function codes that a dialect may have: sizes the counters that every channel keeps.</summary>
    public const int MaxFunctions = 15;

    private readonly Function[] _functions;

    private Dialect(string name, bool answersOwnCodes, Function[] functions)
    {
        Name = name;
        AnswersOwnCodes = answersOwnCodes;
        _functions = functions;
    }

    /// <summary>The proposed protocol, version 1.0 (protocol, "Function codes").</summary>
    public static Dialect Memctl { get; } = new("memctl", answersOwnCodes: true,
    [
        INFO, DONTNEED, REMOVE, FREE, PAGEOUT, UNMERGEABLE, DONTDUMP, MLOCK, MUNLOCK,
        MPROTECT_NONE, MPROTECT_R, MPROTECT_W, MPROTECT_RW, SET_VMA_ANON_NAME,
    ]);

    /// <summary>The renamed protocol, as in Cloud Hypervisor since v41 (protocol, "Dialect pvmemcontrol").</summary>
    public static Dialect Pvmemcontrol { get; } = new("pvmemcontrol", answersOwnCodes: false,
    [
        INFO, DONTNEED, REMOVE, FREE, PAGEOUT, DONTDUMP, SET_VMA_ANON_NAME, MLOCK, MUNLOCK,
        MPROTECT_NONE, MPROTECT_R, MPROTECT_W, MPROTECT_RW, MERGEABLE, UNMERGEABLE,
    ]);

    /// <summary>The key by which an operator picks the dialect; also the prefix of named ranges (<c>memctl-7</c>).</summary>
    public string Name { get; }

    /// <summary>Whether errors that the device finds carry a <see cref="DeviceError"/> in <c>ret_code</c>, or the request's function code.</summary>
    public bool AnswersOwnCodes { get; }

    /// <summary>The functions in the order of their codes, from code 0.</summary>
    public ReadOnlySpan<Function> Functions => _functions;

    /// <summary>Whether a guest can ask for this function.</summary>
    public bool Has(Function function) => Array.IndexOf(_functions, function) >= 0;

    /// <summary>Finds the dialect of that name.</summary>
    public static bool TryParse(string name, out Dialect dialect)
    {
        dialect = name == Pvmemcontrol.Name ? Pvmemcontrol : Memctl;
        return name == dialect.Name;
    }

    /// <summary>Tells what a request's <c>func_code</c> means.</summary>
    public bool TryGetFunction(ulong code, out Function function)
    {
        Function[] functions = _functions;
        bool known = code < (ulong)functions.Length;
        function = known ? functions[code] : INFO;
        return known;
    }
}
