// SPDX-License-Identifier: GPL-2.0
/*
 * Every function code on memory of ours, and what it does to that memory and to
 * what lies beside it, as seen from the guest.
 *
 *   memctl-codes [--backing private|shared] [--unit BYTES] [--step]
 *
 * --backing says what the host has behind guest memory, and so what must happen;
 * without it any outcome that fits one of them will do. --unit is what the host
 * can act on: its page size, or 2 MiB on huge pages. With --step a line
 *
 *   step NAME addr=0x... length=0x... errno=N
 *
 * follows each request, and the test waits for a line on standard input: the time
 * to look at the host.
 */
#include <getopt.h>

#include "memory.h"

enum backing { ANY, PRIVATE, SHARED };

static enum backing backing = ANY;
static uint64_t unit;
static bool step;
static int device;

/* Three huge pages or units; requests are for one unit in the middle. */
static char *memory;
static size_t bytes, from;
static uint64_t phys, seed;

static uint32_t request(uint64_t func_code, uint64_t arg)
{
	struct memctl_buf answer;
	int ret = memctl_call(device, func_code, phys, unit, arg, &answer);

	if (ret)
		tap_bail_out("%s: %s", memctl_function_name(func_code), strerror(-ret));
	if (step) {
		char line[16];

		printf("step %s addr=%#llx length=%#llx errno=%u\n",
		       memctl_function_name(func_code), (unsigned long long)phys,
		       (unsigned long long)unit, answer.ret.ret_errno);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			tap_bail_out("standard input ended");
	}
	return answer.ret.ret_errno;
}

static void fill(void)
{
	pattern_fill(memory, bytes, ++seed);
}

static bool neighbours_intact(void)
{
	return pattern_intact(memory, 0, from, seed) &&
	       pattern_intact(memory, from + unit, bytes, seed);
}

static bool named_intact(void)
{
	return pattern_intact(memory, from, from + unit, seed);
}

static bool named_zero(void)
{
	return all_zero(memory, from, from + unit);
}

/* The kernel frees lazily: each page is as it was or zero. */
static bool named_intact_or_zero(void)
{
	for (size_t at = from; at < from + unit; at += 4096) {
		if (!all_zero(memory, at, at + 4096) &&
		    !pattern_intact(memory, at, at + 4096, seed))
			return false;
	}
	return true;
}

static const char *state(void)
{
	return named_zero() ? "zero" : named_intact() ? "intact" : "mixed";
}

/* The memory takes new contents and keeps them. */
static void test_reuse(const char *name)
{
	fill();
	tap_check(named_intact() && neighbours_intact(), "%s: the memory can be used again", name);
}

static void test_discards(void)
{
	uint32_t error;
	bool fits;

	fill();
	error = request(MEMCTL_DONTNEED, 0);
	fits = backing == PRIVATE ? named_zero() :
	       backing == SHARED ? named_intact() : named_zero() || named_intact();
	tap_check(!error && fits, "DONTNEED: errno %u, memory %s", error, state());
	tap_check(neighbours_intact(), "DONTNEED: what lies beside it is intact");
	test_reuse("DONTNEED");

	error = request(MEMCTL_REMOVE, 0);
	fits = error ? named_intact() && error == EINVAL && backing != SHARED :
		       named_zero() && backing != PRIVATE;
	tap_check(fits, "REMOVE: errno %u, memory %s", error, state());
	tap_check(neighbours_intact(), "REMOVE: what lies beside it is intact");
	test_reuse("REMOVE");

	error = request(MEMCTL_FREE, 0);
	fits = error ? named_intact() && error == EINVAL && backing != PRIVATE :
		       named_intact_or_zero() && backing != SHARED;
	tap_check(fits, "FREE: errno %u, memory %s", error, state());
	tap_check(neighbours_intact(), "FREE: what lies beside it is intact");
	test_reuse("FREE");
}

/* Functions that change nothing that a guest can see. */
static void test_invisible(void)
{
	static const struct {
		uint64_t func_code;
		uint64_t arg;
		uint32_t may_fail_with[2];
	} cases[] = {
		/* Huge pages are neither paged out nor merged. */
		{ MEMCTL_PAGEOUT, 0, { EINVAL } },
		{ MEMCTL_UNMERGEABLE, 0, { EINVAL } },
		{ MEMCTL_DONTDUMP, 0, { 0 } },
		/* The VMM may have no right to lock so much. */
		{ MEMCTL_MLOCK, 0, { ENOMEM } },
		{ MEMCTL_MUNLOCK, 0, { 0 } },
		/* The host's kernel may have no names, and names private memory only. */
		{ MEMCTL_SET_VMA_ANON_NAME, 42, { EINVAL, EBADF } },
		{ MEMCTL_SET_VMA_ANON_NAME, 0, { EINVAL, EBADF } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = memctl_function_name(cases[i].func_code);
		uint32_t error;

		fill();
		error = request(cases[i].func_code, cases[i].arg);
		tap_check(!error || error == cases[i].may_fail_with[0] ||
			  error == cases[i].may_fail_with[1], "%s: errno %u", name, error);
		tap_check(named_intact() && neighbours_intact(), "%s: memory is intact", name);
	}
}

static void test_protection(void)
{
	uint32_t error;

	fill();
	error = request(MEMCTL_MPROTECT_NONE, 0);
	tap_check(!error, "MPROTECT_NONE: errno %u", error);
	tap_check(neighbours_intact(), "MPROTECT_NONE: what lies beside it is intact");

	error = request(MEMCTL_MPROTECT_R, 0);
	tap_check(!error, "MPROTECT_R: errno %u", error);
	tap_check(named_intact() && neighbours_intact(), "MPROTECT_R: memory can be read");

	/* On x86 what can be written can be read. */
	error = request(MEMCTL_MPROTECT_W, 0);
	tap_check(!error, "MPROTECT_W: errno %u", error);
	fill();
	tap_check(neighbours_intact(), "MPROTECT_W: memory can be written");

	error = request(MEMCTL_MPROTECT_RW, 0);
	tap_check(!error, "MPROTECT_RW: errno %u", error);
	tap_check(named_intact() && neighbours_intact(), "MPROTECT_RW: memory can be read");
	test_reuse("MPROTECT_RW");
}

static void test_info(void)
{
	struct memctl_buf answer;
	int ret = memctl_call(device, MEMCTL_INFO, phys, unit, 0, &answer);

	tap_check(!ret && !answer.info.ret_errno && answer.info.major_version == 1, "INFO");
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "backing", required_argument, NULL, 'b' },
		{ "unit", required_argument, NULL, 'u' },
		{ "step", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'b' && !strcmp(optarg, "private"))
			backing = PRIVATE;
		else if (option == 'b' && !strcmp(optarg, "shared"))
			backing = SHARED;
		else if (option == 'u')
			unit = number_argument(optarg);
		else if (option == 's')
			step = true;
		else
			tap_bail_out("usage: memctl-codes [--backing private|shared] "
				     "[--unit BYTES] [--step]");
	}
}

int main(int argc, char **argv)
{
	uint64_t page_size;
	size_t block;

	read_options(argc, argv);
	device = open_device(&page_size);
	if (!unit)
		unit = page_size;

	block = unit > HUGE_PAGE ? unit : HUGE_PAGE;
	bytes = 3 * block;
	from = block + (unit < block ? block / 2 : 0);
	memory = map_memory(bytes);
	phys = physical_address(memory + from, unit);
	if (!phys || phys % unit)
		tap_bail_out("no contiguous memory of a unit's size");

	test_info();
	test_discards();
	test_invisible();
	test_protection();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
