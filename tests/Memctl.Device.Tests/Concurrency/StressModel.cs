using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Concurrency;

/// <summary>
/// A switch that one thread turns while others look. Even: it stands, at 0 on and at 2 off; odd: it is being turned. Who
/// sees the same even value before and after knows how it stood all along.
/// </summary>
internal sealed class Switch
{
    private int _value;

    internal Switch(bool on) => _value = on ? 0 : 2;

    internal int Now => Volatile.Read(ref _value);

    internal void Turn(Action turning)
    {
        Interlocked.Increment(ref _value);
        turning();
        Interlocked.Increment(ref _value);
    }

    internal static bool MayBeOn(int before, int after) => !Stood(before, after) || before % 4 == 0;

    internal static bool MayBeOff(int before, int after) => !Stood(before, after) || before % 4 == 2;

    private static bool Stood(int before, int after) => before == after && before % 2 == 0;
}

/// <summary>What stands at one moment, for all that a request's answer hangs on.</summary>
internal sealed class StressModel
{
    private const ulong Page = Wire.Page;

    internal const ulong Base = 0x100000;
    internal const ulong SlotSize = StressHost.SlotPages * Page;

    /// <summary>Whether each slot is registered. Slot 0 always is, the one past the last never.</summary>
    internal Switch[] Registered { get; } = [.. Enumerable.Range(0, StressHost.Slots).Select(_ => new Switch(true))];

    internal Switch Inhibited { get; } = new(false);

    internal Switch Connected { get; } = new(false);

    internal int[] Look() => [.. Registered.Select(slot => slot.Now), Inhibited.Now, Connected.Now];

    /// <summary>Whether the device may have taken, or ignored, a command that was given between two looks.</summary>
    internal static bool MayHave(bool taken, int[] before, int[] after) => taken
        ? Switch.MayBeOn(before[^1], after[^1])
        : Switch.MayBeOff(before[^1], after[^1]);

    /// <summary>Whether an answer is one that the protocol allows for any state between two looks.</summary>
    internal static bool Allows(ulong code, ulong addr, ulong length, byte[] answer, int[] before, int[] after)
    {
        int errno = Wire.Errno(answer);
        uint error = Wire.RetCode(answer);
        if (code == 0)
        {
            return errno == 0 && error == 0 && answer[16] == 1 && answer[25] == 0x10;
        }

        if (!answer.AsSpan(8).SequenceEqual(new byte[24]))
        {
            return false;
        }

        if (code >= (ulong)Wire.MemctlCodes.Length)
        {
            return (errno, error) == (Wire.EOPNOTSUPP, Wire.UNKNOWN_FUNCTION);
        }

        if ((addr | length) % Page != 0)
        {
            return (errno, error) == (Wire.EINVAL, Wire.UNALIGNED);
        }

        (bool mayCover, bool mayNot) = Coverage(addr, length, before, after);
        return ((errno, error) == (Wire.EINVAL, Wire.NOT_GUEST_MEMORY) && mayNot) ||
            (mayCover && AllowsCovered(Wire.MemctlCodes[code], addr, length, (errno, error), before, after));
    }

    private static bool AllowsCovered(
        string function, ulong addr, ulong length, (int Errno, uint Error) answer, int[] before, int[] after)
    {
        bool inhibited = answer == (Wire.EBUSY, Wire.DISCARD_INHIBITED);
        bool holds = answer == (Wire.EBUSY, Wire.HOLDS_BUFFER);
        bool success = answer == (0, 0u);
        switch (function)
        {
            case "DONTNEED" or "REMOVE" or "FREE":
                return (success && Switch.MayBeOff(before[^2], after[^2])) || (inhibited && Switch.MayBeOn(before[^2], after[^2]));
            case "PAGEOUT":
                return success;
            case "MPROTECT_NONE" or "MPROTECT_R" when addr == Base:
                // Whoever asks is connected, and so are the buffers in the first page.
                return holds;
            case "MPROTECT_NONE" or "MPROTECT_R" when addr <= Base + SlotSize && addr + length > Base + SlotSize:
                // The last channel's buffer, which is connected or not.
                return holds || success || answer == (Wire.ENOMEM, Wire.SPLIT_BUDGET);
            default:
                return success || answer == (Wire.ENOMEM, Wire.SPLIT_BUDGET) ||
                    (function == "MLOCK" && answer == (Wire.ENOMEM, Wire.LOCK_BUDGET));
        }
    }

    private static (bool MayCover, bool MayNot) Coverage(ulong addr, ulong length, int[] before, int[] after)
    {
        bool mayCover = true;
        bool mayNot = false;
        for (ulong slot = (addr - Base) / SlotSize; slot <= (addr - Base + length - 1) / SlotSize; slot++)
        {
            bool exists = slot < StressHost.Slots;
            mayCover &= exists && Switch.MayBeOn(before[slot], after[slot]);
            mayNot |= !exists || Switch.MayBeOff(before[slot], after[slot]);
        }

        return (mayCover, mayNot);
    }
}
