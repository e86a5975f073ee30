using System.Reflection;
using System.Runtime.InteropServices;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin.Tests;

/// <summary>
/// The generated types against the header, as the C compiler sees it; the shim's tests compare the Rust types with the same
/// program. Reflection finds every type and field, so the comparison leaves nothing out.
/// </summary>
public sealed class LayoutTests
{
    private static readonly Type[] _structures =
        [typeof(memctl_host), typeof(memctl_region), typeof(memctl_pci_identity), typeof(memctl_counter), typeof(memctl_extent)];

    [Fact]
    public void SizesOffsetsAndValues_AreThoseOfTheHeader()
    {
        IEnumerable<string> inCSharp = _structures.SelectMany(Lines).Concat(Constants());

        Assert.Equal(CProgram.LinesOf("layout").Order(StringComparer.Ordinal), inCSharp.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EveryStructureOfTheAbi_IsCompared()
    {
        IEnumerable<Type> generated = typeof(memctl_host).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(memctl_host).Namespace && type.IsValueType && !type.IsNested);

        // The handle is opaque. The test below compares the functions' names; ExportTypes, in the plugin, their types.
        Assert.Equal(
            _structures.Append(typeof(memctl_device)).Append(typeof(memctl_functions)).ToHashSet(), generated.ToHashSet());
    }

    [Fact]
    public void EveryFunction_IsDeclaredByTheHeader()
    {
        IEnumerable<string> declared = CProgram.Header.Split('\n')
            .Where(line => line.StartsWith("memctl_status ", StringComparison.Ordinal) ||
                line.StartsWith("uint64_t ", StringComparison.Ordinal) || line.StartsWith("size_t ", StringComparison.Ordinal) ||
                line.StartsWith("void ", StringComparison.Ordinal))
            .Select(line => line.Split(' ', '(')[1]);

        Assert.Equal(declared.ToHashSet(), typeof(memctl_functions).GetFields().Select(field => field.Name).ToHashSet());
    }

    private static IEnumerable<string> Lines(Type structure)
    {
        yield return $"{structure.Name} size {Marshal.SizeOf(structure)}";
        foreach (FieldInfo field in structure.GetFields())
        {
            Type type = field.FieldType;
            int bytes = type.IsPointer || type.IsFunctionPointer ? IntPtr.Size : Marshal.SizeOf(type);
            yield return $"{structure.Name}.{field.Name} at {Marshal.OffsetOf(structure, field.Name)}, {bytes} bytes";
        }
    }

    private static IEnumerable<string> Constants() => typeof(MemctlAbi)
        .GetFields(BindingFlags.Static | BindingFlags.NonPublic)
        .Where(field => field.IsLiteral)
        .Select(field => $"{field.Name} = {field.GetRawConstantValue()}");
}
