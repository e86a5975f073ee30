using System.Diagnostics;
using System.Threading.Channels;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Spectre.Console;

namespace Memctl.Top.Live;

/// <summary>The screen on a terminal: reads, draws, waits for a key or for the next interval.</summary>
internal static class LiveTop
{
    /// <summary>Reading takes no more than one part of these of the time.</summary>
    private const int Share = 10;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(3);

    /// <summary>Runs until the user ends it.</summary>
    /// <exception cref="UnseenException">The VM that was asked for is not there.</exception>
    internal static async Task<int> RunAsync(TopOptions options, IAnsiConsole console, CancellationToken cancellation)
    {
        using HostReader host = options.Vm is { } which
            ? await HostReader.OfOneAsync(new ProcFiles(), which, _patience).ConfigureAwait(false)
            : HostReader.OfAll(new ProcFiles(), _patience);
        Channel<ConsoleKeyInfo> keys = ReadKeys();
        var screen = new Screen((ulong)Environment.SystemPageSize);
        LiveDisplay display = console.Live(new Text("reading")).Overflow(VerticalOverflow.Crop);
        console.AlternateScreen(() => display.StartAsync(async context =>
        {
            int taken = 0;
            while (!screen.IsOver)
            {
                screen.Height = console.Profile.Height;
                long started = Stopwatch.GetTimestamp();
                screen.Show(await host.ReadAsync(screen.WindowOf).ConfigureAwait(false));
                TimeSpan pause = Stopwatch.GetElapsedTime(started) * (Share - 1);
                context.UpdateTarget(screen.Render());
                taken++;
                if (options.Count != 0 && taken == options.Count)
                {
                    break;
                }

                TimeSpan time = pause > options.Interval ? pause : options.Interval;
                await WaitAsync(screen, keys.Reader, context, time, cancellation).ConfigureAwait(false);
            }
        }).GetAwaiter().GetResult());
        return 0;
    }

    /// <summary>Serves keys until it is time to read again.</summary>
    private static async Task WaitAsync(
        Screen screen,
        ChannelReader<ConsoleKeyInfo> keys,
        LiveDisplayContext context,
        TimeSpan time,
        CancellationToken cancellation)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        end.CancelAfter(time);
        try
        {
            while (!screen.IsOver)
            {
                ConsoleKeyInfo key = await keys.ReadAsync(end.Token).ConfigureAwait(false);
                if (screen.Press(key))
                {
                    return;
                }

                context.UpdateTarget(screen.Render());
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Time to read again.
        }
    }

    /// <summary>Keys as they come, by a thread of its own: the console has no other way to wait for one.</summary>
    private static Channel<ConsoleKeyInfo> ReadKeys()
    {
        var keys = Channel.CreateUnbounded<ConsoleKeyInfo>();
        var thread = new Thread(() =>
        {
            while (keys.Writer.TryWrite(Console.ReadKey(intercept: true)))
            {
            }
        })
        {
            IsBackground = true,
            Name = "keys",
        };
        thread.Start();
        return keys;
    }
}
