using System.Runtime.ExceptionServices;

namespace Memctl.Device.Tests.Concurrency;

/// <summary>A thread, as a vCPU is one, whose failure is the test's.</summary>
internal sealed class Worker
{
    /// <summary>What does not end within this hangs.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;

    private Worker(Action work) => _thread = new Thread(() =>
    {
        try
        {
            work();
        }
        catch (Exception exception)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
    })
    {
        IsBackground = true,
    };

    internal static Worker Start(Action work)
    {
        var worker = new Worker(work);
        worker._thread.Start();
        return worker;
    }

    internal bool HasFailed => _failure is not null;

    internal bool EndsWithin(TimeSpan time) => _thread.Join(time);

    /// <summary>Waits for the end, and throws what the work threw.</summary>
    internal void Finish()
    {
        Assert.True(_thread.Join(Bound), "The work did not end.");
        _failure?.Throw();
    }
}
