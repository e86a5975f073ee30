// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime fills the section .hydrated with its types when it starts, 75 pages one after another. One call makes all of them
 * present: page faults are the larger part of a start where each costs 20 us, as in some virtual machines.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* By sections.ld, which has no part in a static library: both are null there. */
extern char hydrated_start[] __attribute__((weak, visibility("hidden")));
extern char hydrated_end[] __attribute__((weak, visibility("hidden")));

__attribute__((constructor)) static void prefault(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)hydrated_start & -page;
	uintptr_t end = ((uintptr_t)hydrated_end + page - 1) & -page;

	/* Linux before 5.14 refuses the advice, and faults page by page. */
	if (start < end)
		madvise((void *)start, end - start, MADV_POPULATE_WRITE);
}
