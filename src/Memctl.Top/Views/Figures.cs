using System.Globalization;

namespace Memctl.Top.Views;

/// <summary>Numbers as people read them.</summary>
internal static class Figures
{
    private static readonly string[] _units = ["B", "K", "M", "G", "T", "P", "E"];

    /// <summary>At most five characters: <c>12.5M</c>, <c>640K</c>, <c>0</c>. Units are powers of 1024.</summary>
    internal static string Bytes(ulong bytes)
    {
        if (bytes == 0)
        {
            return "0";
        }

        int unit = 0;
        double value = bytes;
        while (Math.Round(value, value < 99.95 ? 1 : 0) >= 1000 && unit < _units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        string number = value.ToString(value < 99.95 && value != Math.Floor(value) ? "0.0" : "0", CultureInfo.InvariantCulture);
        return number + _units[unit];
    }

    /// <summary>At most five characters: <c>999</c>, <c>1.2k</c>, <c>35M</c>. Units are powers of 1000.</summary>
    internal static string Count(double count)
    {
        string[] units = ["", "k", "M", "G", "T", "P"];
        int unit = 0;
        while (Math.Round(count) >= 1000 && unit < units.Length - 1)
        {
            count /= 1000;
            unit++;
        }

        bool whole = count >= 9.95 || count == Math.Floor(count);
        return count.ToString(whole ? "0" : "0.0", CultureInfo.InvariantCulture) + units[unit];
    }

    /// <summary>A guest-physical address: <c>0x140000000</c>.</summary>
    internal static string Address(ulong address) => $"0x{address:x9}";

    /// <summary>The name that the guest gave, as the host's kernel shows it.</summary>
    internal static string Name(ulong name) => string.Create(CultureInfo.InvariantCulture, $"memctl-{name}");

    /// <summary>A share, in whole percent.</summary>
    internal static string Percent(ulong part, ulong whole) =>
        whole == 0 ? "-" : (part * 100.0 / whole).ToString("0", CultureInfo.InvariantCulture) + "%";
}
