using System.Globalization;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Docs;

/// <summary>The tables of docs/protocol.md against the numbers with which these tests drive the device.</summary>
public sealed class ProtocolTableTests
{
    [Fact]
    public void FunctionCodes_OfThePage_AreThoseOfTheTests() =>
        Assert.Equal(Numbered(Wire.MemctlCodes), Pairs(Document.Protocol.Rows("Function codes"), 0));

    [Fact]
    public void FunctionCodesOfPvmemcontrol_OfThePage_AreThoseOfTheTests()
    {
        IReadOnlyList<string[]> rows = Document.Protocol.Rows("Dialect pvmemcontrol");
        Assert.Equal(Numbered(Wire.PvmemcontrolCodes), Pairs(rows, 0).Concat(Pairs(rows, 3)));
    }

    [Fact]
    public void TransportCommands_OfThePage_AreThoseOfTheTests()
    {
        (string, uint)[] expected =
        [
            ("RESET", Wire.RESET), ("REGISTER", Wire.REGISTER), ("READY", Wire.READY),
            ("DISCONNECT", Wire.DISCONNECT), ("ACK", Wire.ACK), ("ERROR", Wire.ERROR),
        ];
        Assert.Equal(expected, Document.Protocol.Rows("Transport commands").Select(row => (row[0], Convert.ToUInt32(row[1], 16))));
    }

    [Theory]
    [InlineData("UNKNOWN_FUNCTION", Wire.UNKNOWN_FUNCTION, "EOPNOTSUPP")]
    [InlineData("UNALIGNED", Wire.UNALIGNED, "EINVAL")]
    [InlineData("NOT_GUEST_MEMORY", Wire.NOT_GUEST_MEMORY, "EINVAL")]
    [InlineData("DENIED", Wire.DENIED, "EPERM")]
    [InlineData("DISCARD_INHIBITED", Wire.DISCARD_INHIBITED, "EBUSY")]
    [InlineData("HOLDS_BUFFER", Wire.HOLDS_BUFFER, "EBUSY")]
    [InlineData("LOCK_BUDGET", Wire.LOCK_BUDGET, "ENOMEM")]
    [InlineData("SPLIT_BUDGET", Wire.SPLIT_BUDGET, "ENOMEM")]
    [InlineData("BUFFER_UNREADABLE", Wire.BUFFER_UNREADABLE, "EFAULT")]
    [InlineData("BAD_LIST", 10u, "EINVAL")]
    [InlineData("PAGEOUT_BUDGET", 11u, "EAGAIN")]
    public void ErrorCode_OfThePage_IsThatOfTheTests(string name, uint code, string errno)
    {
        string[] row = Document.Protocol.Rows("Error codes").Single(row => row[1] == name);
        Assert.Equal([code.ToString(CultureInfo.InvariantCulture), name, errno], row[..3]);
    }

    private static IEnumerable<(string, string)> Numbered(string[] names) =>
        names.Select((name, code) => (code.ToString(CultureInfo.InvariantCulture), name));

    /// <summary>Code and name from two neighbouring columns; what follows a colon explains the name.</summary>
    private static IEnumerable<(string, string)> Pairs(IEnumerable<string[]> rows, int column) =>
        rows.Select(row => (row[column], row[column + 1].Split([':', ' '])[0].Trim('`'))).Where(pair => pair.Item1.Length > 0);
}
