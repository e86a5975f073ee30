using System.Diagnostics;

namespace Memctl.Plugin.Tests;

/// <summary>Programs of tests/abi, compiled against the header and run.</summary>
internal static class CProgram
{
    /// <summary>The repository's top folder: the first above this assembly that holds the solution.</summary>
    internal static string Top { get; } = FindTop();

    /// <summary>The text of the ABI's contract.</summary>
    internal static string Header { get; } = File.ReadAllText(Path.Combine(Top, "native/include/memctl_plugin.h"));

    /// <summary>Compiles tests/abi/NAME.c and returns the lines that it prints.</summary>
    internal static string[] LinesOf(string name)
    {
        string binary = Path.Combine(AppContext.BaseDirectory, name);
        Run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", Path.Combine(Top, "native/include"),
            "-o", binary, Path.Combine(Top, "tests/abi", name + ".c"));
        return Run(binary).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{program} did not start.");
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {output}");
        return output;
    }

    private static string FindTop()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "MemctlPlugin.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }
}
