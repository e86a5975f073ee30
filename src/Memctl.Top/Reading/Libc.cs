using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Memctl.Top.Reading;

/// <summary>Calls of Linux that .NET has no name for. Layouts and numbers are those of linux/fs.h.</summary>
internal static unsafe partial class Libc
{
    internal const int SEEK_DATA = 3;
    internal const int SEEK_HOLE = 4;
    internal const int ENXIO = 6;
    internal const long TMPFS_MAGIC = 0x0102_1994;

    /// <summary>_IOWR('f', 16, struct pm_scan_arg)</summary>
    internal const nuint PAGEMAP_SCAN = 0xC060_6610;

    internal const ulong PAGE_IS_PRESENT = 1 << 3;
    internal const ulong PAGE_IS_SWAPPED = 1 << 4;
    internal const ulong PAGE_IS_PFNZERO = 1 << 5;
    internal const ulong PAGE_IS_HUGE = 1 << 6;

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(SafeFileHandle file, nuint request, pm_scan_arg* argument);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    internal static partial int FileSystemOf(SafeFileHandle file, out FileSystemStatus status);

    /// <summary>The first field of struct statfs, and room for the others.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct FileSystemStatus
    {
        internal long f_type;
        private fixed long _others[31];
    }

    /// <summary>Pages of one kind: [start, end) and their PAGE_IS_* bits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct page_region
    {
        internal ulong start;
        internal ulong end;
        internal ulong categories;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct pm_scan_arg
    {
        internal ulong size;
        internal ulong flags;
        internal ulong start;
        internal ulong end;
        internal ulong walk_end;
        internal page_region* vec;
        internal ulong vec_len;
        internal ulong max_pages;
        internal ulong category_inverted;
        internal ulong category_mask;
        internal ulong category_anyof_mask;
        internal ulong return_mask;
    }
}
