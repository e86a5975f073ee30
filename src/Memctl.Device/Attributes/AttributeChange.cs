using Memctl.Device.Functions;

namespace Memctl.Device.Attributes;

/// <summary>What happens to the attributes of every page of a range.</summary>
public readonly struct AttributeChange
{
    private readonly Function? _function;
    private readonly ulong _arg;
    private readonly PageAttributes? _all;

    private AttributeChange(Function? function, ulong arg, AttributeKind kind, PageAttributes? all)
    {
        _function = function;
        _arg = arg;
        Kind = kind;
        _all = all;
    }

    /// <summary>The kind that changes. Meaningless for <see cref="To"/>, which changes all.</summary>
    public AttributeKind Kind { get; }

    /// <summary>Whether pages become such that the device can't use a buffer in them.</summary>
    public bool Protects => ApplyTo(PageAttributes.AsRegistered).IsProtected;

    /// <summary>What a request asks for.</summary>
    /// <param name="function">A function that changes attributes.</param>
    /// <param name="arg">The request's <c>arg</c>.</param>
    public static AttributeChange By(Function function, ulong arg = 0) => new(function, arg, function.Kind, null);

    /// <summary>This kind becomes as registered.</summary>
    public static AttributeChange Revert(AttributeKind kind) => new(null, 0, kind, null);

    /// <summary>All attributes become these.</summary>
    public static AttributeChange To(PageAttributes attributes) => new(null, 0, default, attributes);

    /// <summary>The attributes of a page after the change.</summary>
    public PageAttributes ApplyTo(PageAttributes page) =>
        _function is { } function ? function.ApplyTo(page, _arg) : _all ?? page.Without(Kind);
}
