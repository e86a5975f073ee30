using Memctl.Device.Attributes;
using Memctl.Device.Host;

namespace Memctl.Device.Functions;

/// <summary>What kind of effect a function has: which path a request takes through the device.</summary>
public enum FunctionEffect : byte
{
    /// <summary>Answers from what the device knows.</summary>
    Information,

    /// <summary>Drops memory contents (madvise). Refused while discards are inhibited, reported to the dirty log.</summary>
    Discard,

    /// <summary>Advice that changes no contents (madvise).</summary>
    Hint,

    /// <summary>Changes attributes that the kernel keeps with a mapping. Held to the budgets, saved with the device.</summary>
    Attribute,
}

/// <summary>A function of the protocol: one row of <see cref="FunctionTable"/>.</summary>
public sealed class Function
{
    /// <summary>The code of a function that a dialect does not have.</summary>
    public const int NoCode = -1;

    private Function(string name, string? group, int memctl, int pvmemcontrol, FunctionEffect effect)
    {
        Name = name;
        Group = group;
        MemctlCode = memctl;
        PvmemcontrolCode = pvmemcontrol;
        Effect = effect;
        RequestsCounter = $"requests_{name}";
        ErrorsCounter = $"errors_{name}";
        BytesCounter = $"bytes_{name}";
    }

    /// <summary>INFO: every dialect has it, and no policy can deny it.</summary>
    internal Function(string name, int memctl, int pvmemcontrol)
        : this(name, group: null, memctl, pvmemcontrol, FunctionEffect.Information)
    {
    }

    /// <summary>A function that is one madvise(2).</summary>
    internal Function(string name, string? group, int memctl, int pvmemcontrol, FunctionEffect effect, MemoryAdvice advice)
        : this(name, group, memctl, pvmemcontrol, effect) => Advice = advice;

    /// <summary>
    /// A function that changes one kind of attribute. The host call follows from the attributes that are wanted.
    /// </summary>
    internal Function(string name, string? group, int memctl, int pvmemcontrol, AttributeKind kind, PageAttributes value)
        : this(name, group, memctl, pvmemcontrol, FunctionEffect.Attribute)
    {
        Kind = kind;
        Value = value;
    }

    /// <summary>Spelled as on the wire, so that one search finds a function in the header, the driver and here.</summary>
    public string Name { get; }

    /// <summary>The counter of requests that were answered.</summary>
    public string RequestsCounter { get; }

    /// <summary>The counter of those answered with an errno.</summary>
    public string ErrorsCounter { get; }

    /// <summary>The counter of bytes that the others acted on.</summary>
    public string BytesCounter { get; }

    /// <summary>The group in which a policy names it (<c>discard</c>, <c>lock</c>, ...), or null.</summary>
    public string? Group { get; }

    /// <summary>Its <c>func_code</c> in dialect <c>memctl</c>, or <see cref="NoCode"/> (protocol, "Function codes").</summary>
    public int MemctlCode { get; }

    /// <summary>
    /// Its <c>func_code</c> in dialect <c>pvmemcontrol</c>, or <see cref="NoCode"/> (protocol, "Dialect pvmemcontrol").
    /// </summary>
    public int PvmemcontrolCode { get; }

    /// <summary>The kind of effect.</summary>
    public FunctionEffect Effect { get; }

    /// <summary>The advice of a <see cref="FunctionEffect.Discard"/> or <see cref="FunctionEffect.Hint"/>.</summary>
    public MemoryAdvice Advice { get; }

    /// <summary>The kind of attribute that a <see cref="FunctionEffect.Attribute"/> changes.</summary>
    public AttributeKind Kind { get; }

    /// <summary>
    /// What pages have of that kind after the function. A name is in the request instead (<see cref="AttributeChange.By"/>).
    /// </summary>
    public PageAttributes Value { get; }

    /// <summary>Held to the budget of bytes a second (<c>max_pageout</c>).</summary>
    public bool IsPaced { get; init; }

    /// <summary>
    /// Lets the kernel compare pages with those of others: needs the operator's word
    /// (<see cref="Options.DeviceOptions.MayMerge"/>).
    /// </summary>
    public bool Merges { get; init; }

    /// <summary>The place in <see cref="FunctionTable.All"/>, from 0.</summary>
    public int Index { get; internal set; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
