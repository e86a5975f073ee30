// SPDX-License-Identifier: Apache-2.0
/*
 * Requests on every vCPU, counted. The lines: `load begin`, then the guest waits for a byte; `load cpu=N requests=N right=N`
 * for each vCPU; `load end`, and it waits for a byte again. With mode=load a MUNLOCK of MARKER_UNITS units comes before the
 * first and after the last request, so that a trace of the VMM's system calls shows where the load is. Odd requests are a
 * DONTNEED of one unit; with range=GPA, of one at that address, where NOT_GUEST_MEMORY is right too: the line then ends in
 * absent=N.
 */
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "smp.h"
#include "tap.h"

#define MARKER_UNITS 13
#define POLL_EVERY 64

static struct channel channels[CPUS_MAX];
static uint64_t memory[CPUS_MAX];

struct count {
	uint64_t requests;
	uint64_t right;
	uint64_t absent;
	uint64_t apart[5]; /* one cache line for each vCPU */
};

static struct count counts[CPUS_MAX] __attribute__((aligned(64)));
static bool is_until_byte;
static bool stopped;

static bool is_enough(uint64_t cpu)
{
	if (!is_until_byte)
		return counts[cpu].requests == options.requests;
	/* However early the byte came, each vCPU has made requests when it stops. */
	if (counts[cpu].requests % POLL_EVERY || !counts[cpu].requests)
		return false;
	if (!cpu && console_poll())
		__atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
	return __atomic_load_n(&stopped, __ATOMIC_ACQUIRE);
}

static void work(uint64_t cpu)
{
	while (!is_enough(cpu)) {
		bool is_odd = counts[cpu].requests++ % 2;
		struct memctl_vmm_ret answer;

		/* What an unanswered buffer would hold is in both cases not taken for an answer. */
		if (is_odd) {
			answer = request(&channels[cpu], MEMCTL_DONTNEED, memory[cpu], options.unit, 0);
			if (options.range && is_refusal(&answer, ERRNO_INVAL, MEMCTL_DONTNEED))
				counts[cpu].absent++;
			counts[cpu].right += is_success(&answer);
		} else {
			answer = request(&channels[cpu], MEMCTL_INFO, ~0ull, ~0ull, ~0ull);
			counts[cpu].right += is_info(&answer);
		}
	}
}

/* A thread's first request makes the host set things up for it; the load is about the others. */
static void warm_up(uint64_t cpu)
{
	request(&channels[cpu], MEMCTL_INFO, 0, 0, 0);
}

static void put_marker(const struct channel *channel, uint64_t range)
{
	request(channel, MEMCTL_MUNLOCK, range, MARKER_UNITS * options.unit, 0);
}

bool run_load(bool until_byte)
{
	uint64_t marker = take_memory(MARKER_UNITS * options.unit, options.unit);
	bool all_right;

	if (!tap_check(connect_all(channels, options.cpus), "connect %u channels", options.cpus))
		return false;
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++)
		memory[cpu] = options.range ? options.range : take_memory(options.unit, options.unit);
	is_until_byte = until_byte;
	if (!tap_check(run_on_all(warm_up), "%u vCPUs start", options.cpus))
		return false;
	print("load begin\n");
	console_wait();
	put_marker(&channels[0], marker);
	all_right = run_on_all(work);
	put_marker(&channels[0], marker);
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++) {
		print("load cpu=%u requests=%u right=%u", cpu, counts[cpu].requests, counts[cpu].right);
		if (options.range)
			print(" absent=%u", counts[cpu].absent);
		print("\n");
		all_right = all_right && counts[cpu].requests &&
			    counts[cpu].right + counts[cpu].absent == counts[cpu].requests;
	}
	print("load end\n");
	console_wait();
	return all_right;
}
