using Memctl.Device.Functions;
using Memctl.Device.Options;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Docs;

/// <summary>The tables of the documents for users against the table of functions, the options and the counters.</summary>
public sealed class FunctionPageTests
{
    [Fact]
    public void Functions_OfTheReadme_AreThoseOfTheDialectMemctl()
    {
        var documented = new List<(int, string)>();
        foreach (string[] row in Document.Readme.Rows("What a guest can ask for"))
        {
            string[] names = row[1].Split(", ");
            string stem = names[0][..(names[0].LastIndexOf('_') + 1)];
            documented.AddRange(row[0].Split(", ").Zip(names, (code, name) =>
                (int.Parse(code, null), name.StartsWith('_') ? stem + name[1..] : name)));
        }

        Assert.Equal(Wire.MemctlCodes.Select((name, code) => (code, name)), documented);
    }

    [Fact]
    public void Keys_OfThePage_AreThoseOfTheParser()
    {
        Exception error = Assert.ThrowsAny<Exception>(() => OptionParser.Parse("no_such_key=1"));
        string keys = string.Join(", ", Document.Options.Rows("").Select(row => row[0]));
        Assert.Contains($"the options are {keys}.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_OfThePage_AreThoseOfADevice()
    {
        IEnumerable<string> settings = Document.Options.Rows("")
            .Where(row => row[0] is not "allow" and not "deny")
            .Select(row => $"{row[0]}={row[1]}");
        Assert.Equal(new DeviceOptions(), OptionParser.Parse(string.Join(',', settings)));
    }

    [Fact]
    public void Groups_OfThePage_AreThoseOfTheTable()
    {
        string text = Document.Options.Text("");
        foreach (IGrouping<string?, Function> group in FunctionTable.All.ToArray().GroupBy(function => function.Group))
        {
            string names = string.Join(", ", group.Select(function => function.Name));
            string listed = group.Key == "protect" ? "MPROTECT_*" : names;
            Assert.True(group.Key is null || text.Contains($"`{group.Key}` ({listed})", StringComparison.Ordinal), group.Key);
        }
    }

    [Theory]
    [InlineData("memctl")]
    [InlineData("pvmemcontrol")]
    public void Counters_OfADevice_AreAllOnThePage(string dialect)
    {
        string[] names = [.. Document.Options.Rows("Counters")
            .SelectMany(row => row[0].Replace(" and each with ", ", *", StringComparison.Ordinal).Split(", "))
            .Select(name => name.Trim('`'))];
        string[] families = [.. names.Where(name => name.EndsWith("NAME", StringComparison.Ordinal)).Select(name => name[..^4])];

        foreach (DeviceCounter counter in new TestGuest($"dialect={dialect}").Device.Counters())
        {
            string name = counter.Name.EndsWith("_limit", StringComparison.Ordinal) ? counter.Name[..^6] : counter.Name;
            Assert.True(names.Contains(name) || families.Any(family => name.StartsWith(family, StringComparison.Ordinal)), name);
        }
    }

    [Fact]
    public void Counters_OfThePage_AreAllADevices()
    {
        string[] counters = [.. new TestGuest().Device.Counters().Select(counter => counter.Name)];
        foreach (string name in Document.Options.Rows("Counters").SelectMany(row => row[0].Split([", ", " and "], default)))
        {
            string bare = name.Trim('`');
            if (bare.StartsWith("managed_", StringComparison.Ordinal) || bare.StartsWith("each with", StringComparison.Ordinal))
            {
                continue;
            }

            string family = bare.EndsWith("NAME", StringComparison.Ordinal) ? bare[..^4] : bare;
            Assert.Contains(counters, counter => counter.StartsWith(family, StringComparison.Ordinal));
        }
    }
}
