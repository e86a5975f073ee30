// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "boot_info.h"
#include "machine.h"
#include "smp.h"
#include "tap.h"

#define ROUNDS 500

static struct channel channels[CPUS_MAX];
static uint64_t memory[CPUS_MAX];
static uint64_t wrong[CPUS_MAX];

static void expect(uint64_t cpu, bool right)
{
	if (!right)
		wrong[cpu]++;
}

/* Own channel, own memory: every answer and every byte must be as if this vCPU were alone. */
static void discard_and_lock(uint64_t cpu)
{
	const struct channel *channel = &channels[cpu];
	uint64_t discard = options.shared ? MEMCTL_REMOVE : MEMCTL_DONTNEED;
	uint64_t unit = options.unit;
	struct memctl_vmm_ret answer;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		*(volatile uint64_t *)memory[cpu] = round + 1;
		answer = request(channel, discard, memory[cpu], unit, 0);
		expect(cpu, is_success(&answer) && !*(volatile uint64_t *)memory[cpu]);
		answer = request(channel, MEMCTL_INFO, round, cpu, 0);
		expect(cpu, is_info(&answer));
		answer = request(channel, MEMCTL_MLOCK, memory[cpu], unit, 0);
		expect(cpu, is_success(&answer));
		answer = request(channel, MEMCTL_MUNLOCK, memory[cpu], unit, 0);
		expect(cpu, is_success(&answer));
		answer = request(channel, MEMCTL_MPROTECT_R, memory[cpu], unit, 0);
		expect(cpu, is_success(&answer));
		answer = request(channel, MEMCTL_MPROTECT_RW, memory[cpu], unit, 0);
		expect(cpu, is_success(&answer));
		answer = request(channel, 1000 + cpu, memory[cpu], unit, 0);
		expect(cpu, is_refusal(&answer, ERRNO_OPNOTSUPP, 1000 + cpu));
		answer = request(channel, MEMCTL_DONTNEED, memory[cpu], cpu + 1, 0);
		expect(cpu, is_refusal(&answer, ERRNO_INVAL, MEMCTL_DONTNEED));
	}
}

/* vCPU 0 makes requests while the others scribble over its buffer: any answer is right, silence of the device is not. */
static void scribble(uint64_t cpu)
{
	volatile uint64_t *buffer = (volatile uint64_t *)channels[0].buffer;

	for (uint64_t round = 0; round < ROUNDS * 8; round++) {
		if (!cpu)
			request(&channels[0], MEMCTL_INFO, 0, 0, 0);
		else
			buffer[round % 4] = round % 2 ? ~0ull : 0x100 + round;
	}
}

/* vCPU 0 resets and connects again and again under the requests of the others: they are answered or unheard. */
static void reset_under_requests(uint64_t cpu)
{
	struct memctl_vmm_ret answer;

	if (!cpu) {
		for (uint64_t round = 0; round < ROUNDS / 10; round++)
			expect(cpu, connect_all(channels, options.cpus));
		return;
	}
	for (uint64_t round = 0; round < ROUNDS; round++) {
		answer = request(&channels[cpu], 77, 0, 0, 0);
		expect(cpu, is_refusal(&answer, ERRNO_OPNOTSUPP, 77) || (answer.ret_errno == 77 && !answer.ret_code));
	}
}

static void run(const char *what, void (*work)(uint64_t cpu))
{
	uint64_t total = 0;
	bool came;

	if (!tap_check(connect_all(channels, options.cpus), "connect %u channels", options.cpus))
		return;
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++)
		wrong[cpu] = 0;
	came = run_on_all(work);
	for (uint64_t cpu = 0; cpu < options.cpus; cpu++)
		total += wrong[cpu];
	tap_check(came && !total, "%s on %u vCPUs: %u wrong answers", what, options.cpus, total);
}

void test_parallel(void)
{
	struct memctl_vmm_ret answer;

	for (uint64_t cpu = 0; cpu < options.cpus; cpu++)
		memory[cpu] = take_memory(options.unit, options.unit);
	run("all kinds of requests", discard_and_lock);
	run("a buffer written by others", scribble);
	answer = request(&channels[0], MEMCTL_INFO, 0, 0, 0);
	tap_check(is_info(&answer), "the channel answers after its buffer was scribbled over");
	run("RESET under requests", reset_under_requests);
	answer = request(&channels[options.cpus - 1], MEMCTL_INFO, 0, 0, 0);
	tap_check(is_info(&answer), "the last channel answers after all");
	test_attack();
}
