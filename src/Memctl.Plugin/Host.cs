using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memctl.Device.Host;
using Memctl.Device.Memory;
using Memctl.Plugin.Abi;

namespace Memctl.Plugin;

/// <summary>
/// The host behind the device's interfaces: the kernel's calls, and the VMM's callbacks for copies of guest memory and the dirty log.
/// </summary>
/// <remarks>
/// A copy may fault, and a fault may take long (memory that is fetched on demand). So the callbacks run
/// after the GC transition: a collection does not wait for them.
/// </remarks>
internal sealed unsafe class Host(memctl_host host) : LinuxHostCalls, IGuestCopy, IDirtyLog
{
    private readonly void* _context = host.context;
    private readonly delegate* unmanaged[Cdecl]<void*, void*, void*, nuint, int> _copyFromGuest = host.copy_from_guest;
    private readonly delegate* unmanaged[Cdecl]<void*, void*, void*, nuint, int> _copyToGuest = host.copy_to_guest;
    private readonly delegate* unmanaged[Cdecl]<void*, ulong, ulong, void> _dirty = host.dirty;

    /// <summary>Whether there is a callback for changes of guest memory.</summary>
    internal bool HasDirtyLog => _dirty != null;

    /// <summary>madvise(2), the call of nearly every request, by the library's own routine (advise.c).</summary>
    public override int Advise(nuint address, nuint length, MemoryAdvice advice) => -(int)memctl_advise(address, length, (int)advice);

    /// <inheritdoc/>
    public bool TryRead(nuint source, Span<byte> destination)
    {
        fixed (byte* into = &MemoryMarshal.GetReference(destination))
        {
            return TryCopy(_copyFromGuest, into, (void*)source, (nuint)destination.Length);
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        fixed (byte* from = &MemoryMarshal.GetReference(source))
        {
            return TryCopy(_copyToGuest, (void*)destination, from, (nuint)source.Length);
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void MarkDirty(ulong guestAddress, ulong length) => _dirty(_context, guestAddress, length);

    [DllImport("memctl_host")]
    private static extern nint memctl_advise(nuint address, nuint length, int advice);

    /// <summary>Both directions, so that the code of both is one.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryCopy(
        delegate* unmanaged[Cdecl]<void*, void*, void*, nuint, int> callback, void* destination, void* source, nuint length)
    {
        if (callback != null)
        {
            return callback(_context, destination, source, length) == 0;
        }

        // The caller registered this range as mapped and handles faults itself.
        Buffer.MemoryCopy(source, destination, length, length);
        return true;
    }
}
