namespace Memctl.Device.Attributes;

/// <summary>Pages in a row with the same attributes.</summary>
/// <param name="Start">Guest-physical address of the first byte.</param>
/// <param name="End">Guest-physical address past the last byte.</param>
/// <param name="Attributes">What the guest has set on every page of it.</param>
public readonly record struct AttributeExtent(ulong Start, ulong End, PageAttributes Attributes);

/// <summary>What an attribute map would cost after a change.</summary>
/// <param name="Splits">See <see cref="AttributeMap.Splits"/>.</param>
/// <param name="LockedBytes">See <see cref="AttributeMap.LockedBytes"/>.</param>
public readonly record struct AttributeCosts(int Splits, ulong LockedBytes);
