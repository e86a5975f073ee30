namespace Memctl.Top.Reading;

/// <summary>The process of a virtual machine.</summary>
/// <param name="Pid">Its id.</param>
/// <param name="Name">What the operator calls it by: see <see cref="ProcFiles.NameOf"/>; else the command's name and the id.</param>
/// <param name="Socket">Path of its API socket; null if its command line has none.</param>
internal sealed record Vmm(int Pid, string Name, string? Socket);
