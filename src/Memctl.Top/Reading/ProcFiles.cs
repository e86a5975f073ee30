using System.Globalization;

namespace Memctl.Top.Reading;

/// <summary>Finds virtual machines in /proc: processes that have loaded the memctl plugin.</summary>
/// <param name="root">Where /proc is.</param>
internal sealed class ProcFiles(string root = "/proc")
{
    private const string Plugin = "libmemctl.so";
    private const string SocketFlag = "--api-socket";
    private const string Descriptor = "fd=";

    /// <summary>Every VMM with the plugin, by process id, and how many processes could not be looked into.</summary>
    internal (IReadOnlyList<Vmm> Vmms, int Hidden) FindAll()
    {
        var found = new List<Vmm>();
        int hidden = 0;
        foreach (int pid in Pids().Order())
        {
            bool? loaded = HasPlugin(pid);
            hidden += loaded is null ? 1 : 0;
            if (loaded == true)
            {
                found.Add(Describe(pid));
            }
        }

        return (found, hidden);
    }

    /// <summary>A VMM by its process id, whether it has the plugin or not.</summary>
    internal Vmm Describe(int pid)
    {
        string[] words = Read(pid, "cmdline", File.ReadAllText)?.Split('\0', StringSplitOptions.RemoveEmptyEntries) ?? [];
        string? socket = SocketOf(words);
        if (socket is not null && socket.StartsWith(Descriptor, StringComparison.Ordinal))
        {
            socket = PathOfDescriptor(pid, socket[Descriptor.Length..]);
        }

        if (socket is not null && !Path.IsPathRooted(socket))
        {
            string? folder = Read(pid, "cwd", path => File.ResolveLinkTarget(path, returnFinalTarget: false)?.FullName);
            socket = folder is null ? null : Path.Combine(folder, socket);
        }

        string command = Read(pid, "comm", File.ReadAllText)?.Trim() ?? "process";
        return new Vmm(pid, Printable(socket is null ? $"{command}-{pid}" : NameOf(socket)), socket);
    }

    /// <summary>
    /// A VM's name by the path of its API socket: the file's name, unless an orchestrator has another name for the VM. Kata calls the
    /// file of every VM alike and the folder as the sandbox; libvirt adds a suffix to the domain's name.
    /// </summary>
    internal static string NameOf(string socket)
    {
        const string LibvirtSuffix = "-socket";
        string file = Path.GetFileName(socket);
        string? folder = Path.GetFileName(Path.GetDirectoryName(socket));
        return file is "clh-api.sock" or "ch-api.sock" && !string.IsNullOrEmpty(folder) ? folder
            : file.Length > LibvirtSuffix.Length && file.EndsWith(LibvirtSuffix, StringComparison.Ordinal)
                ? file[..^LibvirtSuffix.Length]
                : Path.GetFileNameWithoutExtension(file);
    }

    /// <summary>Whether there is such a process.</summary>
    internal bool Exists(int pid) => Directory.Exists(PathOf(pid, ""));

    /// <summary>The path of a process's file.</summary>
    internal string PathOf(int pid, string file) => Path.Combine(root, pid.ToString(CultureInfo.InvariantCulture), file);

    /// <summary>Text of others without what would move a terminal's cursor.</summary>
    internal static string Printable(string text) => string.Create(text.Length, text, static (copy, text) =>
    {
        for (int index = 0; index < copy.Length; index++)
        {
            copy[index] = char.IsControl(text[index]) ? '?' : text[index];
        }
    });

    /// <summary>
    /// The path of <c>--api-socket PATH</c> or <c>--api-socket path=PATH</c>, or <c>fd=N</c> as it stands there; null without one.
    /// </summary>
    internal static string? SocketOf(IReadOnlyList<string> words)
    {
        for (int index = 0; index < words.Count; index++)
        {
            string? value = words[index] == SocketFlag && index + 1 < words.Count
                ? words[index + 1]
                : words[index].StartsWith(SocketFlag + "=", StringComparison.Ordinal)
                    ? words[index][(SocketFlag.Length + 1)..]
                    : null;
            if (value is not null)
            {
                return value.StartsWith("path=", StringComparison.Ordinal) ? value["path=".Length..].Split(',')[0] : value;
            }
        }

        return null;
    }

    private IEnumerable<int> Pids() => Directory.EnumerateDirectories(root)
        .Select(Path.GetFileName)
        .Select(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int pid) ? pid : 0)
        .Where(pid => pid != 0);

    /// <summary>Whether a process has loaded the plugin; null if that can't be seen.</summary>
    private bool? HasPlugin(int pid)
    {
        try
        {
            return File.ReadLines(PathOf(pid, "maps")).Any(line => line.Contains(Plugin, StringComparison.Ordinal));
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
        catch (IOException)
        {
            // It has ended.
            return false;
        }
    }

    /// <summary>What a listening socket that the VMM was handed is bound to, as its network namespace lists it.</summary>
    private string? PathOfDescriptor(int pid, string number)
    {
        // socket:[INODE]
        string? link = Read(pid, $"fd/{number}", path => new FileInfo(path).LinkTarget);
        int bracket = link?.IndexOf('[', StringComparison.Ordinal) ?? -1;
        if (bracket < 0)
        {
            return null;
        }

        string end = $" {link![(bracket + 1)..^1]} /";
        string? line = Read(pid, "net/unix", path => File.ReadLines(path)
            .FirstOrDefault(line => line.Contains(end, StringComparison.Ordinal)));
        return line?[(line.IndexOf(end, StringComparison.Ordinal) + end.Length - 1)..];
    }

    private T? Read<T>(int pid, string file, Func<string, T?> read)
        where T : class
    {
        try
        {
            return read(PathOf(pid, file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
