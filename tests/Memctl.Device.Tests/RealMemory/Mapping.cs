using System.Runtime.InteropServices;

namespace Memctl.Device.Tests.RealMemory;

/// <summary>
/// Memory of this process as a VMM maps guest RAM: private, or shared of a memfd. A page that can't be touched lies on
/// either side, so that the kernel merges it with nothing else.
/// </summary>
internal sealed unsafe class Mapping : IDisposable
{
    private const int ProtNone = 0;
    private const int ProtReadWrite = 3;
    private const int MapShared = 1;
    private const int MapPrivate = 2;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;
    private const nuint Guard = 4096;

    private readonly nuint _reserved;
    private readonly nuint _reservedLength;
    private readonly int _file = -1;

    internal Mapping(nuint length, bool shared = false)
    {
        Length = length;
        _reservedLength = length + (2 * Guard);
        _reserved = Check(mmap(0, _reservedLength, ProtNone, MapPrivate | MapAnonymous, -1, 0));
        Address = _reserved + Guard;
        if (shared)
        {
            _file = memfd_create("guest", 0);
            Assert.True(_file >= 0 && ftruncate(_file, (nint)length) == 0);
        }

        Check(mmap(Address, length, ProtReadWrite, shared ? MapShared | MapFixed : MapPrivate | MapAnonymous | MapFixed, _file, 0));
    }

    internal nuint Address { get; }

    internal nuint Length { get; }

    /// <summary>The bytes; touching an inaccessible page ends the process.</summary>
    internal Span<byte> Bytes(nuint offset, int length)
    {
        Assert.True(offset + (nuint)length <= Length);
        return new Span<byte>((void*)(Address + offset), length);
    }

    internal void Fill(byte value) => NativeMemory.Fill((void*)Address, Length, value);

    /// <summary>Takes all access away: whoever uses the range from now on ends the process.</summary>
    internal void MakeInaccessible() => Assert.Equal(0, mprotect(Address, Length, ProtNone));

    public void Dispose()
    {
        Assert.Equal(0, munmap(_reserved, _reservedLength));
        if (_file >= 0)
        {
            Assert.Equal(0, close(_file));
        }
    }

    private static nuint Check(nint address)
    {
        Assert.NotEqual(-1, address);
        return (nuint)address;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint mmap(nuint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int munmap(nuint address, nuint length);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(nuint address, nuint length, int protection);

    [DllImport("libc", SetLastError = true)]
    private static extern int memfd_create([MarshalAs(UnmanagedType.LPStr)] string name, uint flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int ftruncate(int file, nint length);

    [DllImport("libc", SetLastError = true)]
    private static extern int close(int file);
}

/// <summary>Copies that fault the process if the page is inaccessible: a test that protects a buffer's page uses no such.</summary>
internal sealed unsafe class PlainCopy : Memory.IGuestCopy
{
    public bool TryRead(nuint source, Span<byte> destination)
    {
        new ReadOnlySpan<byte>((void*)source, destination.Length).CopyTo(destination);
        return true;
    }

    public bool TryWrite(nuint destination, ReadOnlySpan<byte> source)
    {
        source.CopyTo(new Span<byte>((void*)destination, source.Length));
        return true;
    }
}
