using System.Globalization;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Docs;

/// <summary>The bytes that docs/protocol.md shows (protocol, "Worked exchange"), row by row on a device.</summary>
public sealed class WorkedExchangeTests
{
    private const ulong Buffer = 0x40020;

    [Fact]
    public void WorkedExchange_ReplayedOnADevice_IsAsThePageShows()
    {
        var guest = new TestGuest();
        foreach (string[] row in Document.Protocol.Rows("Worked exchange"))
        {
            string step = $"{row[0]} {row[1]}";
            byte[] bytes = [.. row[1].Split(' ').Select(text => byte.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            switch (row[0].Split(' '))
            {
                case ["store", string offset]:
                    Assert.True(guest.Device.MmioWrite(Convert.ToUInt64(offset, 16), bytes), $"The device ignored: {step}");
                    break;
                case ["load", string offset]:
                    byte[] loaded = new byte[bytes.Length];
                    guest.Device.MmioRead(Convert.ToUInt64(offset, 16), loaded);
                    Assert.True(bytes.SequenceEqual(loaded), $"{step}: the register reads {Convert.ToHexString(loaded)}");
                    break;
                case ["buffer", "request"]:
                    guest.Memory.Poke(TestGuest.HostOf(Buffer), bytes);
                    break;
                case ["buffer", "answer"]:
                    byte[] answer = guest.Memory.Peek(TestGuest.HostOf(Buffer), bytes.Length);
                    Assert.True(bytes.SequenceEqual(answer), $"{step}: the buffer contains {Convert.ToHexString(answer)}");
                    break;
                default:
                    Assert.Fail($"No such step: {step}");
                    break;
            }
        }
    }
}
