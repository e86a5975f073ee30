using Memctl.Top.Model;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Memctl.Top.Views;

/// <summary>Snapshots as text: a table of several VMs, or all about one.</summary>
internal static class TextReport
{
    /// <summary>The text.</summary>
    /// <param name="snapshots">In the order in which they are shown.</param>
    internal static IRenderable Render(IReadOnlyList<Snapshot> snapshots)
    {
        if (snapshots.Count == 0)
        {
            return new Text("No VM of this host has loaded libmemctl.so, or none whose maps can be read.\n");
        }

        if (snapshots.Select(snapshot => snapshot.Name).Distinct().Skip(1).Any())
        {
            return new Rows([VmTable.Render(snapshots), .. snapshots.SelectMany(vm => vm.Unseen.Select(
                sentence => new Text($"{vm.Name}: not seen: {sentence}")))]);
        }

        return new Rows(snapshots.Select(VmPage.Render));
    }
}
