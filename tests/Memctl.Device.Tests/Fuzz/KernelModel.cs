using System.Text;
using Memctl.Device.Host;

namespace Memctl.Device.Tests.Fuzz;

/// <summary>What the kernel keeps for one page.</summary>
internal readonly record struct KernelPage(int Protection, bool Locked, bool DontDump, bool Mergeable, string Name)
{
    internal static readonly KernelPage AsMapped = new(3, false, false, false, "");
}

/// <summary>
/// A kernel of pages by host address. A call that is told to fail changes half of its pages first, as the real one may: what the
/// device rolls back must be all of them.
/// </summary>
internal sealed class KernelModel : IHostCalls
{
    private readonly Dictionary<ulong, KernelPage> _pages = [];

    /// <summary>The calls from now on until one fails, or negative for none.</summary>
    internal int CallsUntilFailure { get; set; } = -1;

    /// <summary>The errno of that one.</summary>
    internal int FailWith { get; set; }

    /// <summary>Whether a call failed since this was last set to false.</summary>
    internal bool Failed { get; set; }

    /// <summary>Discards and the like: what, address, length, each call since the list was cleared.</summary>
    internal List<(string What, ulong Address, ulong Length)> Advices { get; } = [];

    internal KernelPage At(ulong address) => _pages.GetValueOrDefault(address, KernelPage.AsMapped);

    public int Advise(nuint address, nuint length, MemoryAdvice advice)
    {
        switch (advice)
        {
            case MemoryAdvice.PopulateWrite:
                return 0;
            case MemoryAdvice.Mergeable or MemoryAdvice.Unmergeable:
                return Change(address, length, page => page with { Mergeable = advice == MemoryAdvice.Mergeable });
            case MemoryAdvice.DontDump or MemoryAdvice.DoDump:
                return Change(address, length, page => page with { DontDump = advice == MemoryAdvice.DontDump });
            default:
                Advices.Add((advice.ToString(), address, length));
                return Change(address, length, page => page);
        }
    }

    public int Lock(nuint address, nuint length) => Change(address, length, page => page with { Locked = true });

    public int Unlock(nuint address, nuint length) => Change(address, length, page => page with { Locked = false });

    public int Protect(nuint address, nuint length, MemoryProtection protection) =>
        Change(address, length, page => page with { Protection = (int)protection });

    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name)
    {
        string text = Encoding.ASCII.GetString(name).TrimEnd('\0');
        return Change(address, length, page => page with { Name = text });
    }

    private int Change(ulong address, ulong length, Func<KernelPage, KernelPage> change)
    {
        Assert.True(length > 0 && ((address | length) & 4095) == 0);
        bool fails = CallsUntilFailure >= 0 && CallsUntilFailure-- == 0;
        ulong end = fails ? address + (length / 8192 * 4096) : address + length;
        for (ulong page = address; page < end; page += 4096)
        {
            _pages[page] = change(At(page));
        }

        Failed |= fails;
        return fails ? FailWith : 0;
    }
}
