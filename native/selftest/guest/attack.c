// SPDX-License-Identifier: Apache-2.0
/*
 * vCPUs that attack each other through the device. For a host that looks on, mode=attack prints lines and waits for a byte
 * after each: `ready` as mode=steps does; `attack set`, when something is set on memory whatever the race left; `attack over`,
 * when the guest has disconnected.
 */
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "smp.h"
#include "tap.h"

#define ROUNDS 500
#define ENTRIES 8

static struct channel channels[CPUS_MAX];
static uint64_t memory[CPUS_MAX];
/* A page with every channel's buffer, and one with a list. */
static uint64_t arena;

static bool connect_in_arena(void)
{
	if (transport(MEMCTL_TRANSPORT_RESET) != MEMCTL_TRANSPORT_ACK)
		return false;
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++) {
		if (!register_buffer(arena + cpu * 64, &channels[cpu]))
			return false;
	}
	return transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK;
}

/*
 * Each vCPU does to the next one's memory, list and buffer what it likes: protects, locks and discards them, and rewrites the
 * list and the function code while the other has them carried out. No vCPU touches what may be protected; the page of the
 * buffers never is. A discard of that page takes requests and answers with it, so no answer counts.
 */
static void attack(uint64_t cpu)
{
	static const uint64_t codes[] = {
		MEMCTL_MPROTECT_NONE, MEMCTL_DONTNEED, MEMCTL_MLOCK, MEMCTL_MPROTECT_R, MEMCTL_REMOVE,
		MEMCTL_MUNLOCK,	      MEMCTL_FREE,     MEMCTL_MPROTECT_RW,
	};
	uint64_t unit = options.unit, list = arena + unit, other = memory[(cpu + 1) % options.cpus];
	volatile uint64_t *entries = (volatile uint64_t *)list;
	volatile uint64_t *others_buffer = (volatile uint64_t *)channels[(cpu + 1) % options.cpus].buffer;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t code = codes[round % 8], target = round % 3 ? other : memory[cpu];

		entries[2 * (round % ENTRIES)] = round % 5 ? target : arena;
		entries[2 * (round % ENTRIES) + 1] = round % 7 ? unit : round;
		/* The rest of the buffer may just have been discarded: it names the page at 0, which with huge pages is this program. */
		if (unit == PAGE_SIZE)
			others_buffer[0] = codes[round / 3 % 8];
		request(&channels[cpu], code, target, unit, 0);
		request(&channels[cpu], code | 1ull << 63, list, ENTRIES * 16, 0);
		/* The buffers: protecting their page is refused, discarding it is not. */
		request(&channels[cpu], MEMCTL_MPROTECT_NONE, arena, unit, 0);
		request(&channels[cpu], round % 2 ? MEMCTL_DONTNEED : MEMCTL_INFO, arena, unit, 0);
	}
}

static bool prepare(void)
{
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++)
		memory[cpu] = take_memory(options.unit, options.unit);
	/* The list's page is not among what the vCPUs protect: they write to it. */
	arena = take_memory(2 * options.unit, options.unit);
	/* Nor is what is at 0 among it: an entry is read while another vCPU writes it. */
	for (uint64_t entry = 0; entry < ENTRIES; entry++)
		((volatile uint64_t *)(arena + options.unit))[2 * entry] = arena;
	return tap_check(connect_in_arena(), "connect %u channels with buffers in one page", options.cpus);
}

static void run_on_each_other(void)
{
	bool came = run_on_all(attack);

	tap_check(came, "%u vCPUs attack each other's memory, lists and buffers, and all come to their end", options.cpus);
}

void test_attack(void)
{
	struct memctl_vmm_ret answer;

	if (!prepare())
		return;
	run_on_each_other();
	answer = request(&channels[0], MEMCTL_INFO, 0, 0, 0);
	tap_check(is_info(&answer), "the device answers after it");
	/* Attributes end with their connection. */
	if (!tap_check(connect_all(channels, options.cpus), "connect %u channels", options.cpus))
		return;
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++) {
		fill(memory[cpu], options.unit);
		tap_check(is_filled(memory[cpu], options.unit), "memory of vCPU %u is accessible", cpu);
	}
}

static bool set(uint64_t code, uint64_t cpu)
{
	struct memctl_vmm_ret answer = request(&channels[0], code, memory[cpu], options.unit, 0);

	return is_success(&answer);
}

void run_attack(void)
{
	uint64_t last = options.cpus - 1;

	if (!prepare())
		return;
	show_cookie();
	run_on_each_other();
	tap_check(set(MEMCTL_MPROTECT_RW, 0) && set(MEMCTL_MLOCK, 0) && set(MEMCTL_MPROTECT_NONE, last),
		  "memory is locked and inaccessible");
	print("attack set\n");
	console_wait();
	tap_check(transport(MEMCTL_TRANSPORT_DISCONNECT) == MEMCTL_TRANSPORT_ERROR, "the guest disconnects");
	print("attack over\n");
	console_wait();
}
