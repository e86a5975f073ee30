using System.Globalization;
using Memctl.Device.Functions;

namespace Memctl.Device.Options;

/// <summary>
/// Reads <c>key=value,key=value</c>, lists as <c>[a,b]</c>, sizes with a suffix: the form of Cloud Hypervisor's own
/// options, so that a VMM passes on what it was given.
/// </summary>
public static class OptionParser
{
    private const string Keys = "dialect, channels, max_locked, max_splits, max_pageout, max_request_time, max_log_lines, on_fault, allow, deny";

    /// <summary>Reads options; what is not named keeps its default.</summary>
    /// <exception cref="DeviceException">A key or a value is wrong; the message is one sentence for the operator.</exception>
    public static DeviceOptions Parse(string text)
    {
        // They would be echoed in a message, where a NUL ends what a C caller sees.
        if (text.Any(char.IsControl))
        {
            throw Wrong("memctl options contain a control character.");
        }

        var options = new DeviceOptions();
        FunctionSet allowed = FunctionSet.All;
        FunctionSet denied = FunctionSet.None;
        var seen = new HashSet<string>();
        foreach (string item in Split(text))
        {
            int equals = item.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw Wrong($"memctl option '{item}' is not of the form key=value.");
            }

            string key = item[..equals];
            string value = item[(equals + 1)..];
            if (!seen.Add(key))
            {
                throw Wrong($"memctl option '{key}' is given twice.");
            }

            switch (key)
            {
                case "dialect":
                    options = options with { Dialect = ParseDialect(value) };
                    break;
                case "channels":
                    options = options with { Channels = ParseNumber(key, value, 1, DeviceOptions.MaxChannels) };
                    break;
                case "max_locked":
                    options = options with { MaxLocked = ParseSize(key, value) };
                    break;
                case "max_splits":
                    options = options with { MaxSplits = ParseNumber(key, value, 0, DeviceOptions.MaxSplitsLimit) };
                    break;
                case "max_pageout":
                    options = options with { MaxPageOut = ParseSize(key, value) };
                    break;
                case "max_request_time":
                    options = options with { MaxRequestTime = TimeSpan.FromMicroseconds(ParseNumber(key, value, 0, 60_000_000)) };
                    break;
                case "max_log_lines":
                    options = options with { MaxLogLines = ParseNumber(key, value, 0, 6000) };
                    break;
                case "on_fault":
                    options = options with { OnFault = ParseFaultPolicy(value) };
                    break;
                case "allow":
                    allowed = ParseFunctions(key, value);
                    options = options with { MayMerge = FunctionTable.All.ToArray().Any(function => function.Merges && allowed.Contains(function)) };
                    break;
                case "deny":
                    denied = ParseFunctions(key, value);
                    break;
                default:
                    throw Wrong($"memctl option '{key}' is unknown; the options are {Keys}.");
            }
        }

        FunctionSet information = FunctionSet.Where(static function => function.Effect == FunctionEffect.Information);
        if (denied.Without(information) != denied)
        {
            throw Wrong("memctl option 'deny' can't name INFO: no driver starts without it.");
        }

        return options with { Allowed = allowed.Without(denied).With(information) };
    }

    /// <summary>Splits at commas that stand outside brackets.</summary>
    private static List<string> Split(string text)
    {
        var items = new List<string>();
        int depth = 0;
        int start = 0;
        for (int index = 0; index <= text.Length; index++)
        {
            char next = index < text.Length ? text[index] : ',';
            depth += next == '[' ? 1 : next == ']' ? -1 : 0;
            if (depth is < 0 or > 1 || (index == text.Length && depth != 0))
            {
                throw Wrong($"memctl options '{text}' have a bracket without its partner.");
            }

            if (next == ',' && depth == 0)
            {
                items.Add(text[start..index]);
                start = index + 1;
            }
        }

        return text.Length == 0 ? [] : items;
    }

    private static Dialect ParseDialect(string value) => Dialect.TryParse(value, out Dialect dialect)
        ? dialect
        : throw Wrong(
            $"memctl option 'dialect' is '{value}'; it can be {Dialect.Memctl.Name} or {Dialect.Pvmemcontrol.Name}.");

    private static FaultPolicy ParseFaultPolicy(string value) => value switch
    {
        "stop" => FaultPolicy.Stop,
        "open" => FaultPolicy.Open,
        _ => throw Wrong($"memctl option 'on_fault' is '{value}'; it can be stop or open."),
    };

    private static int ParseNumber(string key, string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
            ? number
            : throw Wrong($"memctl option '{key}' is '{value}'; it can be a number from {min} to {max}.");

    private static ulong ParseSize(string key, string value)
    {
        int shift = value.Length == 0 ? 0 : char.ToUpperInvariant(value[^1]) switch
        {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            _ => 0,
        };
        string digits = shift == 0 ? value : value[..^1];
        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) &&
            number <= ulong.MaxValue >> shift
            ? number << shift
            : throw Wrong(
                $"memctl option '{key}' is '{value}'; it can be a number of bytes, with a suffix K, M, G or T if wanted.");
    }

    private static DeviceException Wrong(string message) => new(DeviceFault.InvalidArgument, message);

    private static FunctionSet ParseFunctions(string key, string value)
    {
        string names = value.StartsWith('[') && value.EndsWith(']') ? value[1..^1] : value;
        FunctionSet functions = FunctionSet.None;
        foreach (string name in names.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!FunctionSet.TryParse(name, out FunctionSet named))
            {
                throw Wrong(
                    $"memctl option '{key}' names '{name}', which is no function and no group ({string.Join(", ", FunctionSet.GroupNames)}).");
            }

            functions = functions.With(named);
        }

        return functions;
    }
}
