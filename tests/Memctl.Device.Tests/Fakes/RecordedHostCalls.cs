using System.Text;
using Memctl.Device.Host;

namespace Memctl.Device.Tests.Fakes;

/// <summary>A call of the kernel as the device made it.</summary>
/// <param name="What">Advice, protection, or the system call's name.</param>
/// <param name="Address">Host address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Name">The bytes of a name with its terminator, or null.</param>
internal readonly record struct HostCall(string What, ulong Address, ulong Length, string? Name = null)
{
    public override string ToString() => $"{What}({Address:x}, {Length:x}{(Name is null ? "" : $", \"{Name.Replace("\0", "\\0", StringComparison.Ordinal)}\"")})";
}

/// <summary>Records every call and answers it as the test says. Safe for use by many threads.</summary>
internal sealed class RecordedHostCalls : IHostCalls
{
    private readonly Lock _gate = new();
    private readonly List<HostCall> _calls = [];

    /// <summary>Gives each call its errno; called with no lock held, so that it may block.</summary>
    internal Func<HostCall, int> Answer { get; set; } = _ => 0;

    /// <summary>Every call, but for the one page that is populated before a region's mapping is first split.</summary>
    internal HostCall[] Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls.Where(call => call.What != nameof(MemoryAdvice.PopulateWrite))];
            }
        }
    }

    internal HostCall[] AllCalls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    internal void Clear()
    {
        lock (_gate)
        {
            _calls.Clear();
        }
    }

    public int Advise(nuint address, nuint length, MemoryAdvice advice) => Record(new HostCall(advice.ToString(), address, length));

    public int Lock(nuint address, nuint length) => Record(new HostCall("mlock2", address, length));

    public int Unlock(nuint address, nuint length) => Record(new HostCall("munlock", address, length));

    public int Protect(nuint address, nuint length, MemoryProtection protection) =>
        Record(new HostCall($"mprotect {(int)protection}", address, length));

    public int Name(nuint address, nuint length, ReadOnlySpan<byte> name) =>
        Record(new HostCall("name", address, length, Encoding.ASCII.GetString(name)));

    private int Record(HostCall call)
    {
        lock (_gate)
        {
            _calls.Add(call);
        }

        return Answer(call);
    }
}
