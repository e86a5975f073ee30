using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Memctl.Schedules;

/// <summary>
/// One run of a scenario's threads, one of them at a time. Before each operation on shared memory it is chosen who goes on.
/// </summary>
/// <remarks>
/// <para>Weak memory: a store may wait in a buffer of its thread, whose stores reach memory in their order at any later moment, as
/// on x86-64. An atomic operation, and a lock that is taken or left, empties the buffer first.</para>
/// <para>The budget bounds how often a run may do what it need not: take the processor from a thread that could go on, or let a
/// store wait. What it must do costs nothing: most defects need two or three deviations, however long the threads are.</para>
/// </remarks>
internal sealed class Run(Choices choices, int budget, IReadOnlyList<Worker> workers, SemaphoreSlim isOver)
{
    private const int MaxSteps = 2000;

    private readonly List<(Worker Worker, Operation Operation)> _steps = [];
    private readonly List<int> _candidates = [];
    private int _spent;

    // Which candidate goes on: a worker, or, from the number of workers on, the buffer of one.
    private int _current = -1;

    /// <summary>The run that is in progress.</summary>
    internal static Run? Current { get; private set; }

    private SemaphoreSlim IsOver => isOver;

    /// <summary>Counts what has reached memory: who spins looks again after that.</summary>
    internal long Version { get; private set; }

    /// <summary>How often a thread has looked in vain, and spun.</summary>
    internal int Spins { get; set; }

    /// <summary>What went wrong, if anything did.</summary>
    internal string? Failure { get; private set; }

    /// <summary>Runs all threads to their end, or to the first failure.</summary>
    internal void Execute()
    {
        Current = this;
        Switch(null, isFree: true);
        isOver.Wait();
        Current = null;
    }

    /// <summary>An operation of the calling thread follows: lets others go on before it, if they are chosen.</summary>
    /// <param name="operation">What follows.</param>
    /// <param name="waitsFor">When the thread may go on; null: now.</param>
    /// <param name="isFree">Whether it costs nothing to let others go on.</param>
    internal static void Step(Operation operation, Func<bool>? waitsFor = null, bool isFree = false)
    {
        // Before and after the threads' time, what prepares and checks a run is not part of it.
        if (Worker.Self is not { } self)
        {
            return;
        }

        Run run = Current!;
        if (run._steps.Count > MaxSteps)
        {
            Fail("The threads do not come to an end.");
        }

        self.Doing = operation;
        self.WaitsFor = waitsFor;
        run.Switch(self, isFree);
        self.WaitsFor = null;
        run._steps.Add((self, operation));
    }

    /// <summary>A store that may wait.</summary>
    internal static unsafe void Store<T>(ref T location, T value)
    {
        if (Worker.Self is not { } self || !MayWait(self))
        {
            location = value;
            Changed();
            return;
        }

        // Nothing is collected, and so nothing moves, while a run is in progress.
        nint address = (nint)Unsafe.AsPointer(ref location);
        self.Waiting.Add(new WaitingStore(address, value, () => Unsafe.AsRef<T>((void*)address) = value));
    }

    /// <summary>A store to what is no variable: what it does may be done later.</summary>
    internal static void Store(Action effect)
    {
        if (Worker.Self is not { } self || !MayWait(self))
        {
            effect();
            Changed();
            return;
        }

        self.Waiting.Add(new WaitingStore(0, null, effect));
    }

    /// <summary>What a thread sees: its own last store, or memory.</summary>
    internal static unsafe T Load<T>(ref T location)
    {
        if (Worker.Self is { Waiting.Count: > 0 } self)
        {
            nint address = (nint)Unsafe.AsPointer(ref location);
            if (self.Waiting.FindLast(store => store.Address == address) is { } own)
            {
                return (T)own.Value!;
            }
        }

        return location;
    }

    /// <summary>The calling thread's stores reach memory before what follows.</summary>
    internal static void Fence()
    {
        while (Worker.Self is { Waiting.Count: > 0 } self)
        {
            Current!.Complete(self);
        }
    }

    /// <summary>Memory has changed.</summary>
    internal static void Changed()
    {
        if (Current is { } run)
        {
            run.Version++;
        }
    }

    /// <summary>Ends the run where it is: its threads never go on.</summary>
    internal static void Fail(string failure)
    {
        Run run = Current!;
        run.Failure = failure;
        run.IsOver.Release();
        Thread.Sleep(Timeout.Infinite);
    }

    /// <summary>The calling thread is at its end.</summary>
    internal void End(Worker self)
    {
        self.HasEnded = true;
        Switch(null, isFree: true);
    }

    /// <summary>The schedule so far, for a reader.</summary>
    internal string Describe()
    {
        var text = new StringBuilder();
        Worker? last = null;
        foreach ((Worker worker, Operation operation) in _steps)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{(worker == last ? "" : worker.Name),-10} {operation}");
            last = worker;
        }

        foreach (Worker worker in workers.Where(worker => !worker.HasEnded))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{worker.Name} is before: {worker.Doing}");
        }

        return text.ToString();
    }

    private static bool MayWait(Worker self) => self.Waiting.Count > 0 || Current!.Deviates(2) == 1;

    /// <summary>Chooses among alternatives of which the first is the usual course.</summary>
    private int Deviates(int alternatives)
    {
        int chosen = _spent < budget ? choices.Take(alternatives) : 0;
        _spent += chosen == 0 ? 0 : 1;
        return chosen;
    }

    private void Switch(Worker? self, bool isFree)
    {
        while (Choose(isFree))
        {
            if (_current >= workers.Count)
            {
                Worker owner = workers[_current - workers.Count];
                Complete(owner);
                _steps.Add((owner, new Operation("(a store that waited reaches memory)")));
                isFree = false;
                continue;
            }

            Worker next = workers[_current];
            if (next != self)
            {
                next.Wake.Release();
                self?.Wake.Wait();
            }

            return;
        }

        if (workers.All(worker => worker.HasEnded))
        {
            isOver.Release();
        }
        else
        {
            Fail("Deadlock: no thread can go on.");
        }
    }

    private bool Choose(bool isFree)
    {
        _candidates.Clear();
        bool goesOn = _current >= 0 && CanGoOn(_current);
        if (goesOn)
        {
            _candidates.Add(_current);
        }

        for (int candidate = 0; candidate < 2 * workers.Count; candidate++)
        {
            if (candidate != _current && CanGoOn(candidate))
            {
                _candidates.Add(candidate);
            }
        }

        if (_candidates.Count == 0)
        {
            return false;
        }

        int chosen = _candidates.Count == 1 ? 0
            : goesOn && !isFree ? Deviates(_candidates.Count)
            : choices.Take(_candidates.Count);
        _current = _candidates[chosen];
        return true;
    }

    private bool CanGoOn(int candidate) => candidate < workers.Count
        ? !workers[candidate].HasEnded && workers[candidate].WaitsFor?.Invoke() != false
        : workers[candidate - workers.Count].Waiting.Count > 0;

    private void Complete(Worker owner)
    {
        WaitingStore store = owner.Waiting[0];
        owner.Waiting.RemoveAt(0);
        store.Effect();
        Version++;
    }
}
