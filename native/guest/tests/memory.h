/* SPDX-License-Identifier: GPL-2.0 */
/* Memory of this process that has a known place in guest-physical memory. */
#ifndef MEMCTL_TEST_MEMORY_H
#define MEMCTL_TEST_MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memctl_guest.h"
#include "memctl_walk.h"
#include "tap.h"

#define HUGE_PAGE	(2ULL << 20)

/*
 * Maps, touches and locks @bytes (a multiple of 2 MiB) at a 2 MiB boundary, on
 * huge pages where the kernel has some. Ends the program if there is no memory.
 */
__attribute__((unused))
static void *map_memory(size_t bytes)
{
	uintptr_t start;
	void *map = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		tap_bail_out("mmap of %zu bytes: %s", bytes, strerror(errno));
	start = ((uintptr_t)map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	map = (void *)start;
	if (madvise(map, bytes, MADV_HUGEPAGE) && errno != EINVAL)
		tap_bail_out("MADV_HUGEPAGE: %s", strerror(errno));
	memset(map, 1, bytes);
	if (mlock(map, bytes))
		tap_bail_out("mlock of %zu bytes: %s", bytes, strerror(errno));
	return map;
}

/* The guest-physical address of @bytes of ours, 0 if they are not contiguous there. */
__attribute__((unused))
static uint64_t physical_address(const void *memory, size_t bytes)
{
	uint64_t start = (uintptr_t)memory;
	struct memctl_walk walk;
	struct memctl_run run;
	int ret;

	ret = memctl_walk_start(&walk, 0, start, start + bytes, MEMCTL_WALK_SHARED, bytes);
	if (ret)
		tap_bail_out("pagemap: %s", strerror(-ret));
	ret = memctl_walk_next(&walk, &run);
	memctl_walk_end(&walk);
	if (ret < 0)
		tap_bail_out("pagemap: %s", strerror(-ret));
	return ret && run.length == bytes ? run.phys : 0;
}

/* Words that differ from each other and from what other memory may hold. */
static inline uint64_t pattern_word(uint64_t seed, size_t index)
{
	return 0x9e3779b97f4a7c15ULL * (index + 1) ^ seed << 32;
}

__attribute__((unused))
static void pattern_fill(void *memory, size_t bytes, uint64_t seed)
{
	volatile uint64_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern_word(seed, i);
}

/* Whether bytes [from, to) of what pattern_fill() filled are as they were. */
__attribute__((unused))
static bool pattern_intact(const void *memory, size_t from, size_t to, uint64_t seed)
{
	const volatile uint64_t *words = memory;

	for (size_t i = from / sizeof(*words); i < to / sizeof(*words); i++) {
		if (words[i] != pattern_word(seed, i))
			return false;
	}
	return true;
}

__attribute__((unused))
static bool all_zero(const void *memory, size_t from, size_t to)
{
	const volatile uint64_t *words = memory;

	for (size_t i = from / sizeof(*words); i < to / sizeof(*words); i++) {
		if (words[i])
			return false;
	}
	return true;
}

/* The device, and the unit of its requests; ends the program without one. */
__attribute__((unused))
static int open_device(uint64_t *page_size)
{
	struct memctl_vmm_info info;
	int fd = memctl_open(), ret;

	if (fd < 0)
		tap_bail_out("%s: %s", MEMCTL_DEVICE_PATH, strerror(-fd));
	ret = memctl_info(fd, &info);
	if (ret)
		tap_bail_out("INFO: %s", strerror(-ret));
	*page_size = info.page_size;
	return fd;
}

/* A positive number from the command line; ends the program if it is none. */
__attribute__((unused))
static uint64_t number_argument(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*end || end == text)
		tap_bail_out("not a number: %s", text);
	return value;
}

#endif /* MEMCTL_TEST_MEMORY_H */
