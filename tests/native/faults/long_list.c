// SPDX-License-Identifier: Apache-2.0
/* A list of all of a guest's memory, in use: how long one request stays in the host's kernel. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LARGE_BASE 0x100000000ull
#define ENTRY_BYTES (2ull << 20)
#define LARGE_BYTES (LIST_ENTRIES * ENTRY_BYTES)
/* max_request_time by default, docs/options.md */
#define DEFAULT_NSEC 2000000ll

struct stay {
	unsigned int requests;
	bool whole;
	long long longest_nsec;
	long long total_nsec;
};

static long long now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Asks until all of it is carried out, as a driver does. */
static struct stay discard_all(const struct guest *guest, uint8_t *memory)
{
	uint64_t (*list)[2] = (uint64_t(*)[2])(void *)(guest->memory[0] + PAGE);
	uint64_t *buffer = (uint64_t *)(void *)guest->memory[0];
	struct stay stay = { 0 };
	uint64_t done = 0;

	memset(memory, 1, LARGE_BYTES);
	for (unsigned int entry = 0; entry < LIST_ENTRIES; entry++) {
		list[entry][0] = LARGE_BASE + entry * ENTRY_BYTES;
		list[entry][1] = ENTRY_BYTES;
	}
	do {
		uint64_t call[4] = { LIST | CODE_DONTNEED, GUEST_BASE + PAGE + done * sizeof(list[0]),
				     (LIST_ENTRIES - done) * sizeof(list[0]), 0 };
		long long start;
		long long nsec;

		memcpy(buffer, call, sizeof(call));
		start = now_nsec();
		guest_command(guest, COMMAND_CHANNEL);
		nsec = now_nsec() - start;
		stay.longest_nsec = nsec > stay.longest_nsec ? nsec : stay.longest_nsec;
		stay.total_nsec += nsec;
		stay.requests++;
		done += buffer[1];
	} while (!buffer[0] && buffer[1] && done < LIST_ENTRIES);
	stay.whole = done == LIST_ENTRIES;
	for (uint64_t byte = 0; byte < LARGE_BYTES; byte += PAGE)
		stay.whole = stay.whole && !memory[byte];
	return stay;
}

static struct stay start_and_discard(const char *options)
{
	struct guest guest = guest_start(options, 1);
	uint8_t *memory = mmap(NULL, LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct stay stay;

	if (memory == MAP_FAILED || madvise(memory, LARGE_BYTES, MADV_NOHUGEPAGE) ||
	    plugin_register(guest.device, LARGE_BASE, LARGE_BYTES, memory) != MEMCTL_OK)
		abort();
	stay = discard_all(&guest, memory);
	guest_end(&guest);
	munmap(memory, LARGE_BYTES);
	return stay;
}

void test_long_list(void)
{
	struct stay bounded = start_and_discard("");
	struct stay unbounded = start_and_discard("max_request_time=60000000");

	tap_note("512 MiB of 4 KiB pages in one list: %u requests of %lld us at most, %lld us in all; one of %lld us without a bound",
		 bounded.requests, bounded.longest_nsec / 1000, bounded.total_nsec / 1000, unbounded.longest_nsec / 1000);
	tap_check(bounded.whole && unbounded.whole, "List_OfAllMemory_DiscardsAllOfIt");
	tap_check(bounded.requests > 1 || bounded.longest_nsec <= DEFAULT_NSEC, "List_OfAllMemory_StopsWhenItsTimeIsOver");
	tap_check(unbounded.requests == 1, "List_OfAllMemoryWithoutABound_IsOneRequest");
}
