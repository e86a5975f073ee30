using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Memctl.Top;

/// <summary>What the command line asks for.</summary>
internal sealed record TopOptions
{
    /// <summary>Process id, API socket or name of one VM; null for all of the host.</summary>
    public string? Vm { get; init; }

    /// <summary>Saved snapshots to show instead of living VMs.</summary>
    public IReadOnlyList<FileInfo> Read { get; init; } = [];

    /// <summary>One text, whatever standard output is.</summary>
    public bool Once { get; init; }

    /// <summary>Snapshots as JSON on standard output, a line each.</summary>
    public bool Json { get; init; }

    /// <summary>Where to write the page; null for none.</summary>
    public FileInfo? Html { get; init; }

    /// <summary>Where to write the picture; null for none.</summary>
    public FileInfo? Svg { get; init; }

    /// <summary>Metrics on standard output.</summary>
    public bool Metrics { get; init; }

    /// <summary>Where to write metrics, again at each interval; null for nowhere.</summary>
    public FileInfo? MetricsFile { get; init; }

    /// <summary>Unix socket on which to serve metrics; null for none.</summary>
    public FileInfo? Listen { get; init; }

    /// <summary>Time between two samples.</summary>
    public TimeSpan Interval { get; init; }

    /// <summary>
    /// Samples to take; 0: no end for the screen, <see cref="MetricsFile"/> and <see cref="Listen"/>, else one.
    /// </summary>
    public int Count { get; init; }

    /// <summary>Rows of the map; 0: as many as suit.</summary>
    public int Rows { get; init; }

    /// <summary>First guest-physical address of the map.</summary>
    public ulong From { get; init; }

    /// <summary>Guest-physical address past the map.</summary>
    public ulong To { get; init; } = ulong.MaxValue;

    /// <summary>Whether the output is something other than the screen.</summary>
    internal bool IsReport =>
        Once || Json || Html is not null || Svg is not null || Metrics || MetricsFile is not null || Listen is not null;
}

/// <summary>The command line of memctl-top. man/memctl-top.1 describes it for users.</summary>
internal static class TopCommand
{
    private static readonly Argument<string?> _vm = new("VM")
    {
        Description = "process id, API socket or name of one VM; default: all VMs of this host",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<FileInfo[]> _read = new("--read")
    {
        Description = "show snapshots saved with --json instead of living VMs; may be given again",
        HelpName = "FILE",
    };

    private static readonly Option<bool> _once = new("--once", "-1") { Description = "print once, as text" };
    private static readonly Option<bool> _json = new("--json") { Description = "print snapshots as JSON, a line each" };

    private static readonly Option<FileInfo?> _html = new("--html")
    {
        Description = "write a page that stands alone",
        HelpName = "FILE",
    };

    private static readonly Option<FileInfo?> _svg = new("--svg")
    {
        Description = "write the map of one VM as a picture",
        HelpName = "FILE",
    };

    private static readonly Option<bool> _metrics = new("--metrics") { Description = "print OpenMetrics text" };

    private static readonly Option<FileInfo?> _metricsFile = new("--metrics-file")
    {
        Description = "write OpenMetrics text at each interval, for a textfile collector",
        HelpName = "FILE",
    };

    private static readonly Option<FileInfo?> _listen = new("--listen")
    {
        Description = "serve OpenMetrics text by HTTP on a Unix socket",
        HelpName = "SOCKET",
    };

    private static readonly Option<double> _interval = new("--interval", "-i")
    {
        Description = "seconds between two samples",
        HelpName = "SECONDS",
        DefaultValueFactory = static _ => 1,
    };

    private static readonly Option<int> _count = new("--count", "-n")
    {
        Description = "samples to take; default: 1, no end on a terminal and with --metrics-file and --listen",
        HelpName = "N",
    };

    private static readonly Option<int> _rows = new("--rows")
    {
        Description = "rows of the map",
        HelpName = "N",
    };

    private static readonly Option<ulong> _from = new("--from")
    {
        Description = "first guest-physical address of the map, as 0x100000000 or 4G",
        HelpName = "ADDRESS",
        CustomParser = ParseAddress,
    };

    private static readonly Option<ulong> _to = new("--to")
    {
        Description = "guest-physical address at which the map ends",
        HelpName = "ADDRESS",
        CustomParser = ParseAddress,
        DefaultValueFactory = static _ => ulong.MaxValue,
    };

    /// <summary>The root command, which calls <paramref name="run"/>.</summary>
    internal static RootCommand Create(Func<TopOptions, CancellationToken, Task<int>> run)
    {
        _interval.Validators.Add(static result =>
            Require(result, result.GetValueOrDefault<double>() is >= 0 and <= 86400, "0 to 86400 seconds"));
        _count.Validators.Add(static result => Require(result, result.GetValueOrDefault<int>() >= 1, "1 or more"));
        _rows.Validators.Add(static result => Require(result, result.GetValueOrDefault<int>() is >= 1 and <= 4096, "1 to 4096"));
        var command = new RootCommand("Shows what the guests of this host did to their memory.")
        {
            _vm, _read, _once, _json, _html, _svg, _metrics, _metricsFile, _listen, _interval, _count, _rows, _from, _to,
        };
        command.SetAction((result, cancellation) => run(OptionsOf(result), cancellation));
        return command;
    }

    private static TopOptions OptionsOf(ParseResult result) => new()
    {
        Vm = result.GetValue(_vm),
        Read = result.GetValue(_read) ?? [],
        Once = result.GetValue(_once),
        Json = result.GetValue(_json),
        Html = result.GetValue(_html),
        Svg = result.GetValue(_svg),
        Metrics = result.GetValue(_metrics),
        MetricsFile = result.GetValue(_metricsFile),
        Listen = result.GetValue(_listen),
        Interval = TimeSpan.FromSeconds(result.GetValue(_interval)),
        Count = result.GetValue(_count),
        Rows = result.GetValue(_rows),
        From = result.GetValue(_from),
        To = result.GetValue(_to),
    };

    /// <summary>A number, in hexadecimal with 0x, or in bytes with a suffix K, M, G or T.</summary>
    private static ulong ParseAddress(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        int shift = "KMGT".IndexOf(char.ToUpperInvariant(text.LastOrDefault()));
        bool hexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        ReadOnlySpan<char> digits = hexadecimal ? text.AsSpan(2) : shift < 0 ? text : text.AsSpan(0, text.Length - 1);
        NumberStyles style = hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        if (!ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out ulong value))
        {
            result.AddError($"'{text}' is no address: 0x100000000 and 4G are.");
        }

        return hexadecimal || shift < 0 ? value : value << (10 * (shift + 1));
    }

    private static void Require(OptionResult result, bool holds, string range)
    {
        if (!holds)
        {
            result.AddError($"{result.Option.Name} takes {range}.");
        }
    }
}
