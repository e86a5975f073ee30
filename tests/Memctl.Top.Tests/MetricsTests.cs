using System.Net.Sockets;
using System.Text.RegularExpressions;
using Memctl.Top.Model;
using Memctl.Top.Reading;
using Memctl.Top.Views;

namespace Memctl.Top.Tests;

/// <summary>OpenMetrics 1.0 text, by that standard's own rules.</summary>
public sealed partial class MetricsTests
{
    [Fact]
    public void Text_OfTwoVms_KeepsTheRulesOfOpenMetrics()
    {
        string[] lines = MetricsText.Of([Samples.Everything("a \"quoted\"\\name"), Samples.Nothing]).Split('\n');
        Assert.Equal(["# EOF", ""], lines[^2..]);
        string family = "", type = "", unit = "";
        var seen = new HashSet<string>();
        foreach (string line in lines[..^2])
        {
            if (line.StartsWith("# ", StringComparison.Ordinal))
            {
                string[] words = line.Split(' ', 4);
                if (words[1] == "TYPE")
                {
                    (family, type, unit) = (words[2], words[3], "");
                    Assert.True(seen.Add(family), $"{family} is in two places");
                    Assert.False(family.EndsWith("_total", StringComparison.Ordinal));
                }

                Assert.Equal(family, words[2]);
                unit = words[1] == "UNIT" ? words[3] : unit;
                Assert.True(words[1] != "UNIT" || family.EndsWith("_" + unit, StringComparison.Ordinal), line);
                continue;
            }

            Match sample = Sample().Match(line);
            Assert.True(sample.Success, line);
            Assert.Equal(type == "counter" ? family + "_total" : family, sample.Groups["name"].Value);
            Assert.True(seen.Add(line[..line.LastIndexOf(' ')]), $"twice: {line}");
        }
    }

    [Theory]
    [InlineData("memctl_up{vm=\"vm\",pid=\"4711\",device=\"memctl\"} 1")]
    [InlineData("memctl_up{vm=\"dark\",pid=\"4712\",device=\"\"} 0")]
    [InlineData("memctl_resident_bytes{vm=\"vm\",pid=\"4711\",device=\"memctl\"} 12582912")]
    [InlineData("memctl_requests_total{vm=\"vm\",pid=\"4711\",device=\"memctl\",function=\"DONTNEED\"} 1500")]
    [InlineData("memctl_acted_bytes_total{vm=\"vm\",pid=\"4711\",device=\"memctl\",function=\"DONTNEED\"} 6291456")]
    [InlineData("memctl_refusals_total{vm=\"vm\",pid=\"4711\",device=\"memctl\",reason=\"DENIED\"} 3")]
    [InlineData("memctl_refused_commands_total{vm=\"vm\",pid=\"4711\",device=\"memctl\"} 1")]
    [InlineData("memctl_splits_limit{vm=\"vm\",pid=\"4711\",device=\"memctl\"} 16384")]
    [InlineData("memctl_other{vm=\"vm\",pid=\"4711\",device=\"memctl\",counter=\"of_a_later_plugin\"} 5")]
    public void Text_OfASnapshot_HasEachCounter(string line) =>
        Assert.Contains(line, MetricsText.Of([Samples.Everything(), Samples.Nothing]).Split('\n'));

    [Fact]
    public async Task Text_OfTheRealDevice_LeavesNothingToOther()
    {
        using var guest = new StandIn("private", 16);
        using var reader = new VmReader(new ProcFiles(), guest.Vmm, VmmApi.LongPatience);
        string text = MetricsText.Of(await reader.ReadAsync(MapWindow.All(8)));
        Assert.DoesNotContain("memctl_other{", text, StringComparison.Ordinal);
        Assert.Contains("function=\"MLOCK\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_OnItsSocket_AnswersHttpWithTheLastText()
    {
        string path = Path.Combine(Path.GetTempPath(), $"memctl-top-{Environment.ProcessId}.sock");
        using (MetricsServer server = MetricsServer.Listen(path))
        {
            server.Publish("memctl_up 1\n# EOF\n");
            using var client = new HttpClient(new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            });
            using HttpResponseMessage response = await client.GetAsync(new Uri("http://top/metrics"));
            Assert.Equal("memctl_up 1\n# EOF\n", await response.Content.ReadAsStringAsync());
            Assert.Equal("application/openmetrics-text", response.Content.Headers.ContentType?.MediaType);
        }

        Assert.False(File.Exists(path));
    }

    [GeneratedRegex("^(?<name>[a-z_]+)\\{([a-z_]+=\"([^\"\\\\]|\\\\[\"\\\\n])*\",?)+\\} [0-9]+$")]
    private static partial Regex Sample();
}
