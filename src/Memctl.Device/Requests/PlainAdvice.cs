using System.Runtime.CompilerServices;
using Memctl.Device.Functions;
using Memctl.Device.Host;
using Memctl.Device.Options;

namespace Memctl.Device.Requests;

/// <summary>
/// What a request needs to know of a function that is one madvise(2), that the operator allows, and that has no budget. In four
/// bytes, so that the whole table lies on one cache line or two.
/// </summary>
internal readonly record struct PlainAdvice
{
    private const int IndexShift = 8;
    private const int DropsShift = 16;

    private readonly int _bits;

    /// <summary>Makes one.</summary>
    /// <param name="advice">What to advise.</param>
    /// <param name="drops">Whether it drops memory contents.</param>
    /// <param name="index"><see cref="Function.Index"/>.</param>
    internal PlainAdvice(MemoryAdvice advice, bool drops, int index) =>
        _bits = (int)advice | (index << IndexShift) | (drops ? 1 << DropsShift : 0);

    /// <summary>Whether this is no such function.</summary>
    internal bool IsNone => _bits == 0;

    internal MemoryAdvice Advice => (MemoryAdvice)_bits;

    internal bool Drops => (_bits & (1 << DropsShift)) != 0;

    internal int Index => (byte)(_bits >> IndexShift);
}

/// <summary>The functions of a dialect that are plain advice, by their codes.</summary>
[InlineArray(FunctionTable.Count)]
internal struct PlainAdviceTable
{
    private PlainAdvice _first;

    /// <summary>The table of a device.</summary>
    internal static PlainAdviceTable Of(DeviceOptions options)
    {
        var table = default(PlainAdviceTable);
        ReadOnlySpan<Function> functions = options.Dialect.Functions;
        for (int code = 0; code < functions.Length; code++)
        {
            Function function = functions[code];
            bool drops = function.Effect == FunctionEffect.Discard;
            if ((drops || function.Effect == FunctionEffect.Hint) && !function.IsPaced && options.Allowed.Contains(function))
            {
                table[code] = new PlainAdvice(function.Advice, drops, function.Index);
            }
        }

        return table;
    }

    /// <summary>The function that a code names.</summary>
    internal readonly PlainAdvice Find(ulong code) => code < FunctionTable.Count ? this[(int)code] : default;
}
