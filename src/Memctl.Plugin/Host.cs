using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Memory;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>The VMM's callbacks behind the device's interfaces: copies of guest memory, and the dirty log.</summary>
/// <remarks>
/// A copy may fault, and a fault may take long (memory that is fetched on demand). So the callbacks run
/// after the GC transition: a collection does not wait for them.
/// </remarks>
internal sealed unsafe class Host(memctl_host host) : IGuestCopy, IDirtyLog
{
    /// <summary>Whether there is a callback for changes of guest memory.</summary>
    internal bool HasDirtyLog => host.dirty != null;

    /// <inheritdoc/>
    public bool TryRead(nuint source, Span<byte> destination)
    {
        fixed (byte* into = &MemoryMarshal.GetReference(destination))
        {
            if (host.copy_from_guest != null)
            {
                return host.copy_from_guest(host.context, into, (void*)source, (nuint)destination.Length) == 0;
            }

            // The caller registered this range as mapped and handles faults itself.
            Buffer.MemoryCopy((void*)source, into, destination.Length, destination.Length);
            return true;
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        fixed (byte* from = &MemoryMarshal.GetReference(source))
        {
            if (host.copy_to_guest != null)
            {
                return host.copy_to_guest(host.context, (void*)destination, from, (nuint)source.Length) == 0;
            }

            // As in TryRead.
            Buffer.MemoryCopy(from, (void*)destination, source.Length, source.Length);
            return true;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void MarkDirty(ulong guestAddress, ulong length) => host.dirty(host.context, guestAddress, length);
}
