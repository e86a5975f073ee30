namespace Memctl.Schedules;

/// <summary>A store that has not reached memory.</summary>
/// <param name="Address">Where to; 0 if it is no variable.</param>
/// <param name="Value">What its own thread reads there.</param>
/// <param name="Effect">Makes it reach memory.</param>
internal sealed record WaitingStore(nint Address, object? Value, Action Effect);

/// <summary>An operation in a schedule, for a reader.</summary>
internal readonly record struct Operation(string What, string? On = null, string File = "", int Line = 0)
{
    public override string ToString() =>
        What + (On is null ? "" : $" {On}") + (Line == 0 ? "" : $"  [{Path.GetFileName(File)}:{Line}]");
}

/// <summary>A thread of the operating system that is a scenario's thread in one run after the other.</summary>
internal sealed class Worker
{
    [ThreadStatic]
    private static Worker? _self;

    internal Worker() => new Thread(Work) { IsBackground = true }.Start();

    /// <summary>The calling thread; null if it is no scenario's.</summary>
    internal static Worker? Self => _self;

    internal string Name { get; private set; } = "";

    /// <summary>Lets it go on.</summary>
    internal SemaphoreSlim Wake { get; } = new(0);

    /// <summary>Its stores that have not reached memory, in their order.</summary>
    internal List<WaitingStore> Waiting { get; } = [];

    /// <summary>What it is about to do.</summary>
    internal Operation Doing { get; set; }

    /// <summary>When it can go on; null: at once.</summary>
    internal Func<bool>? WaitsFor { get; set; }

    internal bool HasEnded { get; set; }

    private Action? Body { get; set; }

    /// <summary>What it is to do when it is first let on.</summary>
    internal void Prepare(string name, Action body)
    {
        Name = name;
        Body = body;
        Doing = new Operation("(its start)");
        HasEnded = false;
    }

    /// <summary>Ends the thread.</summary>
    internal void Dismiss()
    {
        Body = null;
        Wake.Release();
    }

    private void Work()
    {
        _self = this;
        for (Wake.Wait(); Body is not null; Wake.Wait())
        {
            try
            {
                Body();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Run.Fail(exception.ToString());
            }

            Run.Current!.End(this);
        }
    }
}
