using Memctl.Device.Functions;

namespace Memctl.Device.Attributes;

/// <summary>What happens to the attributes of every page of a range: one kind becomes what it is in a value.</summary>
/// <param name="Kind">The kind that changes.</param>
/// <param name="Value">What it becomes; other kinds in it mean nothing.</param>
public readonly record struct AttributeChange(AttributeKind Kind, PageAttributes Value)
{
    /// <summary>Whether pages become such that the device can't use a buffer in them.</summary>
    public bool Protects => Kind == AttributeKind.Protection && Value.IsProtected;

    /// <summary>What a request asks for.</summary>
    /// <param name="function">A function that changes attributes.</param>
    /// <param name="arg">The request's <c>arg</c>.</param>
    public static AttributeChange By(Function function, ulong arg = 0) => new(
        function.Kind, function.Kind == AttributeKind.Name ? new PageAttributes { Name = arg } : function.Value);

    /// <summary>This kind becomes as registered.</summary>
    public static AttributeChange Revert(AttributeKind kind) => new(kind, PageAttributes.AsRegistered);

    /// <summary>The attributes of a page after the change.</summary>
    public PageAttributes ApplyTo(PageAttributes page) => page.With(Kind, Value);
}
