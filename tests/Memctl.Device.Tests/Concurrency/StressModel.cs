using Memctl.Device.Tests.Fuzz;
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

/// <summary>What may be so at one moment, of all that a request's answer hangs on; <see cref="DeviceModel"/> gives the answer.</summary>
internal sealed class StressModel
{
    private const ulong Page = Wire.Page;

    internal const ulong Base = 0x100000;
    internal const ulong SlotSize = StressHost.SlotPages * Page;

    private static readonly bool[] _either = [true, false];

    /// <summary>Whether each slot is registered. Slot 0 always is, the one past the last never.</summary>
    internal Switch[] Registered { get; } = [.. Enumerable.Range(0, StressHost.Slots).Select(_ => new Switch(true))];

    internal Switch Inhibited { get; } = new(false);

    internal Switch Connected { get; } = new(false);

    internal int[] Look() => [.. Registered.Select(slot => slot.Now), Inhibited.Now, Connected.Now];

    /// <summary>Whether the device may have taken, or ignored, a command that was given between two looks.</summary>
    internal static bool MayHave(bool taken, int[] before, int[] after) => taken
        ? Switch.MayBeOn(before[^1], after[^1])
        : Switch.MayBeOff(before[^1], after[^1]);

    /// <summary>Whether an answer is that of the model in one of the states that there may have been between two looks.</summary>
    internal static bool Allows(ulong code, ulong addr, ulong length, byte[] answer, int[] before, int[] after)
    {
        (int, uint) given = (Wire.Errno(answer), Wire.RetCode(answer));
        if (code == 0)
        {
            return given == (0, 0u) && answer[16] == 1 && answer[25] == 0x10;
        }

        // Budgets hang on what others have set meanwhile.
        bool sets = code >= Wire.Code("UNMERGEABLE");
        bool overBudget = (sets && given == (Wire.ENOMEM, Wire.SPLIT_BUDGET)) ||
            (code == Wire.Code("MLOCK") && given == (Wire.ENOMEM, Wire.LOCK_BUDGET));
        return answer.AsSpan(8).SequenceEqual(new byte[24]) && States(before, after).Any(state =>
        {
            (int, uint) expected = state.Request(code, addr, length, arg: 0, failedIn: null);
            return given == expected || (overBudget && expected == (0, 0u));
        });
    }

    /// <summary>The states that differ in what a request sees: memory, discards, and the last channel's buffer.</summary>
    private static IEnumerable<DeviceModel> States(int[] before, int[] after) =>
        from all in _either
        from inhibited in _either
        where inhibited ? Switch.MayBeOn(before[^2], after[^2]) : Switch.MayBeOff(before[^2], after[^2])
        from last in _either
        select State(slot => all ? Switch.MayBeOn(before[slot], after[slot]) : !Switch.MayBeOff(before[slot], after[slot]), inhibited, last);

    private static DeviceModel State(Func<int, bool> registered, bool inhibited, bool last)
    {
        var state = new DeviceModel(maxChannels: 4, maxSplits: int.MaxValue, maxLocked: ulong.MaxValue) { Inhibited = inhibited };
        for (int slot = 0; slot < StressHost.Slots; slot++)
        {
            ulong start = Base + ((ulong)slot * SlotSize);
            if (registered(slot))
            {
                state.Regions.Add(new ModelRegion(start, start + SlotSize, StressHost.HostOf(slot)));
            }
        }

        state.Buffers.Add(Base);
        if (last)
        {
            state.Buffers.Add(Base + SlotSize);
        }

        return state;
    }
}
