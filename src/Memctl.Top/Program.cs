using Memctl.Top;
using Memctl.Top.Live;
using Memctl.Top.Reading;
using Spectre.Console;

return await TopCommand.Create(RunAsync).Parse(args).InvokeAsync().ConfigureAwait(false);

static async Task<int> RunAsync(TopOptions options, CancellationToken cancellation)
{
    try
    {
        bool isTerminal = !Console.IsInputRedirected && !Console.IsOutputRedirected && AnsiConsole.Profile.Capabilities.Ansi;
        return options.IsReport || options.Read.Count != 0 || !isTerminal
            ? await Reports.RunAsync(options, AnsiConsole.Console, Console.Out, cancellation).ConfigureAwait(false)
            : await LiveTop.RunAsync(options, AnsiConsole.Console, cancellation).ConfigureAwait(false);
    }
    catch (OperationCanceledException)
    {
        return 0;
    }
    catch (Exception exception) when (exception is UnseenException or IOException or UnauthorizedAccessException)
    {
        await Console.Error.WriteLineAsync($"memctl-top: {exception.Message}").ConfigureAwait(false);
        return 1;
    }
}
