using System.Runtime.CompilerServices;
using System.Text.Json;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;
using Spectre.Console;

namespace Memctl.Top;

/// <summary>Everything but the screen: text, JSON, page, picture, metrics.</summary>
internal static class Reports
{
    private const int TextRows = 24;
    private const int PageRows = 48;

    /// <summary>Takes the samples and writes what was asked for.</summary>
    /// <returns>The exit status: 1 if there is no VM.</returns>
    internal static async Task<int> RunAsync(
        TopOptions options, IAnsiConsole console, TextWriter output, CancellationToken cancellation)
    {
        using var server = options.Listen is { } socket ? MetricsServer.Listen(socket.FullName) : null;
        var moments = new List<Snapshot>();
        await foreach (IReadOnlyList<Snapshot> sample in SamplesAsync(options, cancellation).ConfigureAwait(false))
        {
            if (options.Json)
            {
                foreach (Snapshot vm in sample)
                {
                    string line = JsonSerializer.Serialize(vm, SnapshotJson.Default.Snapshot);
                    await output.WriteLineAsync(line).ConfigureAwait(false);
                }

                await output.FlushAsync(cancellation).ConfigureAwait(false);
            }

            if (options.Metrics || options.MetricsFile is not null || server is not null)
            {
                string text = MetricsText.Of(sample);
                server?.Publish(text);
                await WriteMetricsAsync(options, text, output).ConfigureAwait(false);
            }

            if (options.Html is not null || options.Svg is not null || IsText(options))
            {
                moments.AddRange(sample);
            }
        }

        return await WriteMomentsAsync(options, moments, console).ConfigureAwait(false);
    }

    private static bool IsText(TopOptions options) => options.Once || !options.IsReport;

    private static async IAsyncEnumerable<IReadOnlyList<Snapshot>> SamplesAsync(
        TopOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (options.Read.Count != 0)
        {
            yield return await ReadSavedAsync(options.Read).ConfigureAwait(false);
            yield break;
        }

        bool endless = options.Count == 0 && (options.MetricsFile is not null || options.Listen is not null);
        using HostReader host = options.Vm is { } which
            ? await HostReader.OfOneAsync(new ProcFiles(), which, VmmApi.LongPatience).ConfigureAwait(false)
            : HostReader.OfAll(new ProcFiles(), VmmApi.LongPatience);
        if (options.Interval > TimeSpan.Zero && !endless)
        {
            await host.BeginRatesAsync().ConfigureAwait(false);
            await Task.Delay(options.Interval, cancellation).ConfigureAwait(false);
        }

        int rows = options.Rows != 0 ? options.Rows : IsText(options) && !options.Json ? TextRows : PageRows;
        for (int taken = 0; endless || taken < Math.Max(options.Count, 1); taken++)
        {
            if (taken > 0)
            {
                await Task.Delay(options.Interval, cancellation).ConfigureAwait(false);
            }

            yield return await host.ReadAsync(_ => new MapWindow(options.From, options.To, rows)).ConfigureAwait(false);
        }
    }

    private static async Task<IReadOnlyList<Snapshot>> ReadSavedAsync(IReadOnlyList<FileInfo> files)
    {
        var snapshots = new List<Snapshot>();
        foreach (FileInfo file in files)
        {
            int number = 0;
            await foreach (string line in File.ReadLinesAsync(file.FullName).ConfigureAwait(false))
            {
                number++;
                snapshots.Add(Parse(line, $"{file.Name}:{number}"));
            }
        }

        return snapshots;
    }

    private static Snapshot Parse(string line, string place)
    {
        try
        {
            Snapshot? snapshot = JsonSerializer.Deserialize(line, SnapshotJson.Default.Snapshot);
            return snapshot?.Version == Snapshot.KnownVersion
                ? snapshot
                : throw new UnseenException($"{place}: not a snapshot of version {Snapshot.KnownVersion}");
        }
        catch (JsonException exception)
        {
            throw new UnseenException($"{place}: {exception.Message}");
        }
    }

    private static async Task WriteMetricsAsync(TopOptions options, string text, TextWriter output)
    {
        if (options.Metrics)
        {
            await output.WriteAsync(text).ConfigureAwait(false);
        }

        if (options.MetricsFile is { } file)
        {
            await WriteFileAsync(file, text).ConfigureAwait(false);
        }
    }

    private static async Task<int> WriteMomentsAsync(TopOptions options, List<Snapshot> moments, IAnsiConsole console)
    {
        if (options.Html is { } page)
        {
            await WriteFileAsync(page, HtmlReport.Page(moments)).ConfigureAwait(false);
        }

        if (options.Svg is { } picture)
        {
            string name = moments.Count == 0 ? throw new UnseenException("there is no VM to draw") : moments[0].Name;
            Snapshot[] drawn = [.. moments.Where(moment => moment.Name == name)];
            await WriteFileAsync(picture, SvgMap.Document(drawn)).ConfigureAwait(false);
        }

        if (IsText(options))
        {
            console.Write(TextReport.Render(moments));
            return moments.Count == 0 ? 1 : 0;
        }

        return 0;
    }

    /// <summary>Writes a file that no reader ever sees half-written.</summary>
    private static async Task WriteFileAsync(FileInfo file, string text)
    {
        string draft = $"{file.FullName}.{Environment.ProcessId}";
        await File.WriteAllTextAsync(draft, text).ConfigureAwait(false);
        File.Move(draft, file.FullName, overwrite: true);
    }
}
