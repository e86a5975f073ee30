using System.Diagnostics;
using System.Globalization;
using Memctl.Top.Reading;

namespace Memctl.Top.Tests;

/// <summary>
/// A VMM and its guest without KVM, in a process of their own: the real library, real memory, an API (stand-in/stand_in.c). It is
/// at work until it is disposed of.
/// </summary>
internal sealed class StandIn : IDisposable
{
    internal const ulong Page = 4096;
    internal const ulong Mib = 1 << 20;

    private static readonly Lazy<string> _program = new(Compile);

    private readonly Process _process;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("memctl-top-");

    /// <summary>Starts it.</summary>
    /// <param name="backing">private, shared or folded.</param>
    /// <param name="mib">RAM.</param>
    internal StandIn(string backing, int mib)
    {
        Socket = Path.Combine(_folder.FullName, "vm-one.sock");
        var start = new ProcessStartInfo(
            _program.Value, ["--api-socket", $"path={Socket}", backing, mib.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["MEMCTL_OUT"] = Out;
        _process = Process.Start(start)!;
        Assert.Equal("ready", _process.StandardOutput.ReadLine());
    }

    /// <summary>Where the build is.</summary>
    internal static string Out => Environment.GetEnvironmentVariable("MEMCTL_OUT") ?? Path.Combine(Top, "out");

    /// <summary>The repository.</summary>
    internal static string Top { get; } = FindTop();

    internal string Socket { get; }

    internal int Pid => _process.Id;

    internal Vmm Vmm => new ProcFiles().Describe(Pid);

    /// <summary>Ends the process.</summary>
    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>The guest writes to each page of a range.</summary>
    internal void Touch(ulong address, ulong length) => Assert.Equal("ok", Tell($"touch {address} {length}"));

    /// <summary>The guest makes a request; returns its errno.</summary>
    internal int Ask(GuestFunction function, ulong address, ulong length, ulong argument = 0) => int.Parse(
        Tell($"ask {(int)function} {address} {length} {argument}").Split(' ')[0], CultureInfo.InvariantCulture);

    private string Tell(string command)
    {
        _process.StandardInput.WriteLine(command);
        _process.StandardInput.Flush();
        return _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The stand-in has ended.");
    }

    private static string Compile()
    {
        string binary = Path.Combine(AppContext.BaseDirectory, "stand-in-vmm");
        string native = Path.Combine(Top, "tests/native");
        using Process compiler = Process.Start("cc",
        [
            "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", Path.Combine(Top, "native/include"),
            "-I", Path.Combine(native, "harness"), "-I", Path.Combine(native, "model"), "-o", binary,
            Path.Combine(Top, "tests/Memctl.Top.Tests/stand-in/stand_in.c"), Path.Combine(native, "harness/plugin.c"), "-ldl",
        ]);
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        return binary;
    }

    private static string FindTop()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "MemctlPlugin.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}

/// <summary>Functions of the protocol, by their codes.</summary>
public enum GuestFunction
{
    DONTNEED = 1,
    REMOVE = 2,
    UNMERGEABLE = 5,
    DONTDUMP = 6,
    MLOCK = 7,
    MUNLOCK = 8,
    MPROTECT_NONE = 9,
    MPROTECT_R = 10,
    MPROTECT_RW = 12,
}
