using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Memctl.Device.Tests.Fuzz;

/// <summary>
/// Random sequences of actions on the device and on a model of it. MEMCTL_FUZZ_SECONDS sets for how long, MEMCTL_FUZZ_SEED where
/// it starts; a failure tells the seed and the actions as a line for the corpus.
/// </summary>
public sealed class ActionFuzzTests(ITestOutputHelper output)
{
    private const int DefaultSeconds = 4;

    /// <summary>The corpus, one sequence in hexadecimal on each line.</summary>
    public static TheoryData<string, string> Corpus
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Fuzz", "corpus.txt")))
            {
                string[] parts = line.Split(": ", 2);
                if (parts.Length == 2 && line[0] != '#')
                {
                    data.Add(parts[0], parts[1]);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Corpus))]
    public void Actions_OfTheCorpus_AreAsTheModelSays(string name, string actions)
    {
        output.WriteLine(name);
        Run(Convert.FromHexString(actions));
    }

    [Fact]
    public void Actions_Random_AreAsTheModelSays()
    {
        int seed = Setting("MEMCTL_FUZZ_SEED", Random.Shared.Next());
        var limit = TimeSpan.FromSeconds(Setting("MEMCTL_FUZZ_SECONDS", DefaultSeconds));
        var watch = Stopwatch.StartNew();
        int sequences = 0;
        for (; watch.Elapsed < limit; sequences++)
        {
            var random = new Random(unchecked(seed + sequences));
            byte[] actions = new byte[random.Next(20, 400)];
            random.NextBytes(actions);
            Run(actions, $"MEMCTL_FUZZ_SEED={unchecked(seed + sequences)}");
        }

        output.WriteLine($"{sequences} sequences from seed {seed}");
        Assert.True(sequences > 0);
    }

    private static void Run(byte[] actions, string seed = "corpus")
    {
        var driver = new ActionDriver(actions);
        try
        {
            driver.Run();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(
                $"{seed}\n{Convert.ToHexString(actions)}\n{driver.Story}{exception.Message}", exception);
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : otherwise;
}
