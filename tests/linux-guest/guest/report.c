// SPDX-License-Identifier: GPL-2.0
/* Freed memory goes home by itself, where the driver is told to report it. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define REPORT_FREE "/sys/class/misc/memctl/report_free/"

/* Page reporting waits 2 s before each round; emulation takes its time, too. */
#define PATIENCE_SECONDS 30
/* What a guest keeps for itself besides: page tables, caches, short runs. */
#define TOLERANCE_KIB (24L << 10)
/* What earlier tests freed is still with the guest, and is filled first. */
#define USED_BEFORE_KIB (96L << 10)

static long read_counter(const char *name)
{
	char path[96];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), REPORT_FREE "%s", name);
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%ld", &value) != 1)
			value = -1;
		fclose(file);
	}
	return value;
}

static bool switch_reporting(bool on)
{
	int fd = open(REPORT_FREE "enabled", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, on ? "1" : "0", 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}

/* Fills memory, checks it, and frees it. Returns what the host had at most. */
static struct usage fill_and_free(unsigned long mib, uint64_t seed)
{
	size_t length = mib << 20, offset;
	char *map = mmap(NULL, length + HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start = (char *)(((uintptr_t)map + HUGE_PAGE - 1) & -HUGE_PAGE);
	unsigned int wrong = 0;
	struct usage full;

	if (map == MAP_FAILED || madvise(start, length, MADV_HUGEPAGE))
		tap_bail_out("no address space for %lu MiB", mib);
	for (offset = 0; offset < length; offset += HUGE_PAGE) {
		struct block block = { (unsigned char *)start + offset, offset, HUGE_PAGE };

		fill_block(&block, seed);
	}
	full = host_usage();
	for (offset = 0; offset < length; offset += HUGE_PAGE) {
		struct block block = { (unsigned char *)start + offset, offset, HUGE_PAGE };

		wrong += block_content(&block, 0, HUGE_PAGE, seed) != INTACT;
	}
	tap_check(!wrong, "%lu MiB hold what was written to them (%u MiB do not)", mib,
		  wrong * 2);
	munmap(map, length + HUGE_PAGE);
	return full;
}

/* Waits until the host has no more than limit allocated. Returns seconds. */
static int wait_for_host(long limit, struct usage *last)
{
	time_t start = time(NULL);

	do {
		*last = host_usage();
		if (last->allocated <= limit && last->resident <= limit)
			return time(NULL) - start;
	} while (time(NULL) - start < PATIENCE_SECONDS);
	return -1;
}

int test_report(unsigned long mib)
{
	long size = mib << 10, errors;
	struct usage idle, full, now;
	int seconds;

	meet_host();
	tap_check(read_counter("enabled") == 0, "reporting is off by default");
	idle = host_usage();
	full = fill_and_free(mib, 1);
	tap_check(full.allocated >= idle.allocated + size - USED_BEFORE_KIB,
		  "filling %lu MiB takes host memory (%ld to %ld KiB)", mib,
		  idle.allocated, full.allocated);
	now = host_usage();
	tap_check(now.allocated >= full.allocated - TOLERANCE_KIB,
		  "freed memory stays with the guest while reporting is off (%ld KiB)",
		  now.allocated);
	if (!tap_check(switch_reporting(true) && read_counter("enabled") == 1,
		       "reporting can be switched on at run time"))
		return 1;
	seconds = wait_for_host(idle.allocated + TOLERANCE_KIB, &now);
	tap_check(seconds >= 0, "the host has it back in %d s (%ld KiB allocated, %ld resident)",
		  seconds, now.allocated, now.resident);
	tap_check(read_counter("bytes") >= (size - TOLERANCE_KIB) << 10,
		  "the counters say so (%ld runs, %ld bytes)", read_counter("runs"),
		  read_counter("bytes"));
	fill_and_free(mib, 2);
	seconds = wait_for_host(idle.allocated + TOLERANCE_KIB, &now);
	tap_check(seconds >= 0, "filled and freed again: back in %d s (%ld KiB allocated, %ld resident)",
		  seconds, now.allocated, now.resident);
	errors = read_counter("errors");
	tap_check(!errors, "no run was refused (%ld)", errors);
	tap_check(switch_reporting(false) && !read_counter("enabled"),
		  "reporting can be switched off");
	return 0;
}
