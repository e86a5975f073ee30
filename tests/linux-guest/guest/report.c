// SPDX-License-Identifier: GPL-2.0
/*
 * Freed memory goes home by itself, where the driver is told to report it; what that
 * costs in exits, and that a list is carried out in as many requests as the device's
 * bound on time wants.
 */
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
/* The kernel hands over up to 32 extents at a time; 512 MiB are 128 of 4 MiB, and some of 2. */
#define MAX_MMIO_EXITS 16

#define LIST_RANGES 256
#define RANGE_BYTES (512UL << 10)
#define LIST_BLOCKS (LIST_RANGES * RANGE_BYTES / HUGE_PAGE)
/* The device looks at its clock each time that it has done as much (docs/SECURITY.md). */
#define BATCH_RANGES ((16UL << 20) / RANGE_BYTES)

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

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static bool switch_reporting(bool on)
{
	return write_text(REPORT_FREE "enabled", on ? "1" : "0");
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

static void read_method(char method[16])
{
	FILE *file = fopen(REPORT_FREE "method", "r");

	if (!file || fscanf(file, "%15s", method) != 1)
		strcpy(method, "?");
	if (file)
		fclose(file);
}

/* Fills and frees again while reporting is on, and counts what that takes. */
static void count_exits(unsigned long mib, long idle_kib, bool unbounded)
{
	struct exits before, after;
	bool counted = host_exits(&before);
	struct usage now;
	int seconds;

	fill_and_free(mib, 2);
	seconds = wait_for_host(idle_kib + TOLERANCE_KIB, &now);
	tap_check(seconds >= 0, "filled and freed again: back in %d s (%ld KiB allocated, %ld resident)",
		  seconds, now.allocated, now.resident);
	if (!counted || !host_exits(&after)) {
		tap_skip("free page reporting takes few exits", "the host does not show KVM's counts");
		return;
	}
	if (unbounded)
		tap_check(after.mmio - before.mmio <= MAX_MMIO_EXITS,
			  "%lu MiB go home with %lu exits for MMIO, %d at most", mib,
			  after.mmio - before.mmio, MAX_MMIO_EXITS);
	else
		tap_note("%lu MiB went home with %lu exits for MMIO, requests bounded as by default",
			 mib, after.mmio - before.mmio);
}

/* A full list of memory in use, to its end. Returns how many requests that takes. */
static unsigned int discard_list(void)
{
	struct block blocks[LIST_BLOCKS], list_block = huge_block();
	struct memctl_range *list = (struct memctl_range *)list_block.va;
	unsigned int done = 0, requests = 0, i;
	int fd = open_device(0), error = 0;

	for (i = 0; i < LIST_BLOCKS; i++) {
		blocks[i] = huge_block();
		fill_block(&blocks[i], i);
	}
	for (i = 0; i < LIST_RANGES; i++) {
		list[i].addr = blocks[i * RANGE_BYTES / HUGE_PAGE].gpa + i * RANGE_BYTES % HUGE_PAGE;
		list[i].length = RANGE_BYTES;
	}
	while (!error && done < LIST_RANGES) {
		struct memctl_buf answer = { 0 };

		error = request(fd, MEMCTL_LIST | discard_code(), list_block.gpa + done * sizeof(*list),
				(LIST_RANGES - done) * sizeof(*list), 0, &answer);
		done += answer.ret.ret_value;
		requests++;
	}
	tap_check(!error && done == LIST_RANGES, "a list of %u ranges is carried out (%d)",
		  LIST_RANGES, error);
	close(fd);
	for (i = 0; i < LIST_BLOCKS; i++)
		free_block(&blocks[i]);
	free_block(&list_block);
	return requests;
}

int test_stay(void)
{
	unsigned int requests;

	meet_host();
	requests = discard_list();
	tap_check(requests >= LIST_RANGES / BATCH_RANGES,
		  "where the device may take no time, in %u requests, %lu or more", requests,
		  LIST_RANGES / BATCH_RANGES);
	return 0;
}

/* Devices suspend and resume, as the kernel's own test of that does. */
static bool suspend(void)
{
	return write_text("/sys/module/suspend/parameters/pm_test_delay", "1") &&
	       write_text("/sys/power/pm_test", "devices") &&
	       write_text("/sys/power/state", "freeze") && write_text("/sys/power/pm_test", "none");
}

static void check_home(const char *when, unsigned long mib, uint64_t seed, long idle_kib)
{
	struct usage now;
	int seconds;

	fill_and_free(mib, seed);
	seconds = wait_for_host(idle_kib + TOLERANCE_KIB, &now);
	tap_check(seconds >= 0, "%s: the host has %lu MiB back in %d s (%ld KiB allocated)", when,
		  mib, seconds, now.allocated);
}

/*
 * The device's host moves from private memory to shared when a range is named; what
 * then frees is another function, and nothing announces it.
 */
int test_moved(unsigned long mib)
{
	long size = mib << 10;
	struct usage idle;
	char method[16];
	int fd;

	meet_host();
	idle = host_usage();
	switch_reporting(true);
	read_method(method);
	tap_check(!strcmp(method, "dontneed"), "reporting finds DONTNEED on private memory (%s)", method);
	check_home("by DONTNEED", mib, 1, idle.allocated);
	tap_check(suspend(), "the guest suspends its devices and resumes them");
	check_home("after that", mib, 2, idle.allocated);
	fd = open_device(0);
	tap_check(!request(fd, MEMCTL_SET_VMA_ANON_NAME, PAGE, PAGE, 1, NULL), "the guest moves");
	close(fd);
	check_home("on the new host", mib, 3, idle.allocated);
	read_method(method);
	tap_check(!strcmp(method, "remove"), "reporting has found REMOVE by itself (%s)", method);
	tap_check(read_counter("bytes") >= 3 * (size - TOLERANCE_KIB) << 10,
		  "the counters say so (%ld bytes)", read_counter("bytes"));
	return !switch_reporting(false);
}

int test_report(unsigned long mib, bool unbounded)
{
	long size = mib << 10, errors;
	struct usage idle, full, now;
	unsigned int requests;
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
	count_exits(mib, idle.allocated, unbounded);
	errors = read_counter("errors");
	tap_check(!errors, "no run was refused (%ld)", errors);
	tap_check(switch_reporting(false) && !read_counter("enabled"),
		  "reporting can be switched off");
	requests = discard_list();
	if (unbounded)
		tap_check(requests == 1, "in %u request, where the device may take the time", requests);
	else
		tap_note("a list of %lu MiB took %u requests", LIST_RANGES * RANGE_BYTES >> 20, requests);
	return 0;
}
