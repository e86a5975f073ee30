using System.Numerics;
using System.Runtime.CompilerServices;
using Memctl.Schedules;

// The device's sources are compiled here as they are. What they use of System.Threading is this: a type of the project's own wins
// over the framework's, and for "lock" the compiler goes by the name.
namespace System.Threading;

internal static class Volatile
{
    internal static T Read<T>(
        ref T location,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        Run.Step(new Operation("Volatile.Read", name, file, line));
        return Run.Load(ref location);
    }

    internal static void Write<T>(
        ref T location,
        T value,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        Run.Step(new Operation("Volatile.Write", name, file, line));
        Store(ref location, value);
    }

    /// <summary>Of which a plain 0 does for the value.</summary>
    internal static void Write(
        ref ulong location,
        ulong value,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        Run.Step(new Operation("Volatile.Write", name, file, line));
        Store(ref location, value);
    }

    private static void Store<T>(ref T location, T value)
    {
        if (!typeof(T).IsValueType || typeof(T) == typeof(nuint) || typeof(T) == typeof(bool))
        {
            Run.Store(ref location, value);
            return;
        }

        // Numbers are read by their writers without Volatile, past what would let a store wait.
        Run.Fence();
        location = value;
        Run.Changed();
    }
}

internal static class Interlocked
{
    internal static T Increment<T>(
        ref T location,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
        where T : INumber<T>
    {
        Begin(new Operation("Interlocked.Increment", name, file, line));
        return ++location;
    }

    internal static T Decrement<T>(
        ref T location,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
        where T : INumber<T>
    {
        Begin(new Operation("Interlocked.Decrement", name, file, line));
        return --location;
    }

    internal static T Add<T>(
        ref T location,
        T value,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
        where T : INumber<T>
    {
        Begin(new Operation("Interlocked.Add", name, file, line));
        return location += value;
    }

    internal static T Exchange<T>(
        ref T location,
        T value,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        Begin(new Operation("Interlocked.Exchange", name, file, line));
        T before = location;
        location = value;
        return before;
    }

    internal static T CompareExchange<T>(
        ref T location,
        T value,
        T comparand,
        [CallerArgumentExpression(nameof(location))] string name = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
        where T : INumber<T>
    {
        Begin(new Operation("Interlocked.CompareExchange", name, file, line));
        T before = location;
        location = before == comparand ? value : before;
        return before;
    }

    private static void Begin(Operation operation)
    {
        Run.Step(operation);
        Run.Fence();
        Run.Changed();
    }
}

internal sealed class Lock
{
    private bool _isTaken;

    internal void Enter()
    {
        Run.Step(new Operation("Lock.Enter"), () => !_isTaken);
        Run.Fence();
        _isTaken = true;
    }

    internal void Exit()
    {
        Run.Step(new Operation("Lock.Exit"));
        Run.Fence();
        _isTaken = false;
        Run.Changed();
    }

    public Scope EnterScope()
    {
        Enter();
        return new Scope(this);
    }

    public readonly ref struct Scope(Lock owner)
    {
        public void Dispose() => owner.Exit();
    }
}

internal struct SpinWait
{
    private long _looked;

    internal int Count { get; private set; }

    /// <summary>Goes on when memory has changed since the last time: what is spun for may have come in between.</summary>
    internal void SpinOnce([CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Run run = Run.Current!;
        long looked = Count++ == 0 ? -1 : _looked;
        run.Spins++;
        Run.Step(new Operation("SpinWait.SpinOnce", null, file, line), () => run.Version != looked);
        _looked = run.Version;
    }
}
