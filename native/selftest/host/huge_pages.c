// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "huge_pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "vmm_process.h"

#define COUNT_FILE "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
/* Guest RAM, and 96 MiB to compare with: 64 MiB and neighbours at most. */
#define PAGES_NEEDED ((GUEST_RAM_MIB + 96) / HUGE_PAGE_MIB)

static unsigned long pages_before;
/* Holds a lock: two of us at once would each take the other's pages for what the system had. */
static int lock;

static void unlock(void)
{
	close(lock);
}

static bool read_count(unsigned long *count)
{
	FILE *file = fopen(COUNT_FILE, "re");
	bool right = file && fscanf(file, "%lu", count) == 1;

	if (file)
		fclose(file);
	return right;
}

static bool write_count(unsigned long count)
{
	FILE *file = fopen(COUNT_FILE, "we");

	if (!file)
		return false;
	fprintf(file, "%lu\n", count);
	return !fclose(file);
}

static bool reserve_locked(const char **reason)
{
	unsigned long count;

	if (!read_count(&pages_before) || !write_count(pages_before + PAGES_NEEDED)) {
		*reason = "no right to set nr_hugepages";
		return false;
	}
	if (read_count(&count) && count == pages_before + PAGES_NEEDED)
		return true;
	write_count(pages_before);
	*reason = "the system has not enough memory in one piece for huge pages";
	return false;
}

bool huge_pages_reserve(const char **reason)
{
	lock = open(COUNT_FILE, O_RDONLY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX)) {
		*reason = "this kernel has no huge pages of 2 MiB";
		return false;
	}
	if (reserve_locked(reason))
		return true;
	unlock();
	return false;
}

void huge_pages_release(void)
{
	if (!write_count(pages_before))
		printf("# nr_hugepages could not be put back to %lu\n", pages_before);
	unlock();
}
