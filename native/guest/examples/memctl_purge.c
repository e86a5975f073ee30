// SPDX-License-Identifier: GPL-2.0
/*
 * memctl example: an allocator's purged memory goes back to the host at once
 *
 *	gcc -O2 -shared -fPIC -o memctl_purge.so memctl_purge.c
 *	LD_PRELOAD=./memctl_purge.so program
 *
 * Allocators such as jemalloc, tcmalloc and mimalloc give memory back to the
 * kernel with madvise() or munmap(). The kernel keeps it for the next program, and
 * the host goes on paying for it. This library asks the host to drop the pages
 * first. What the program sees is the same: MADV_DONTNEED memory reads as zero,
 * MADV_FREE memory may, and munmap() memory has gone.
 *
 * The program needs CAP_SYS_ADMIN to open the device. Without it, or without a
 * device, all calls go to the kernel as ever. Calls that an allocator makes by
 * system call, as glibc's malloc() does, are not seen.
 */
#include "memctl_guest.h"

/* An exit to the host is worth it for so many bytes and more. */
#define PURGE_BYTES	(64UL << 10)

static int device = -1;
static uint64_t discard;
static size_t page_size;

__attribute__((constructor))
static void open_device(void)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	device = memctl_open();
	discard = device < 0 ? 0 : memctl_discard_function(device);
}

/*
 * The driver pins the pages while the host drops them, and refuses what others see
 * too: a shared mapping, a file, memory that a fork has. There is nothing to be
 * done about that, so the outcome does not matter.
 */
static void purge(void *address, size_t length)
{
	struct memctl_range range = {
		(uintptr_t)address, (length + page_size - 1) & ~(page_size - 1),
	};
	int error = errno;

	if (discard && length >= PURGE_BYTES && range.addr % page_size == 0)
		memctl_process(device, MEMCTL_SELF, discard, &range, 1, 0, NULL);
	errno = error;
}

int madvise(void *address, size_t length, int advice)
{
	if (advice == MADV_DONTNEED || advice == MADV_FREE)
		purge(address, length);
	return (int)syscall(SYS_madvise, address, length, advice);
}

int munmap(void *address, size_t length)
{
	purge(address, length);
	return (int)syscall(SYS_munmap, address, length);
}
