// SPDX-License-Identifier: GPL-2.0
/*
 * Requests with any code, any address and any length, and the guest alive after
 * them, its memory as it was but for a window that they may act on.
 *
 *   memctl-fuzz [--count N=1000000] [--seed N=1] [--mib N=16] [--window START+LENGTH]
 *
 * What names memory outside the window is made such that the device must refuse
 * it, by code, alignment or range: if it acts nevertheless, the guest's memory
 * tells. The window is memory of this process, N MiB, unless --window names
 * guest-physical memory that nobody else uses. The seed is printed.
 */
#include <getopt.h>

#include "memory.h"

#define MAX_WINDOWS	512
#define CANARY_BYTES	(8 * HUGE_PAGE)

struct window {
	uint64_t phys;
	uint64_t length;
};

static struct window windows[MAX_WINDOWS];
static unsigned int window_count;
static uint64_t unit, random_state;
static uint64_t by_errno[200];

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* A number of any magnitude, not only of the largest. */
static uint64_t any_number(void)
{
	return next_random() >> next_random() % 64;
}

static const struct window *any_window(void)
{
	return &windows[next_random() % window_count];
}

/* Part of a window, sometimes all of it, sometimes nothing. */
static void inside_window(struct memctl_vmm_call *call)
{
	const struct window *window = any_window();
	uint64_t units = window->length / unit;
	uint64_t first = next_random() % units;

	call->func_code = next_random() % MEMCTL_FUNCTIONS;
	call->addr = window->phys + first * unit;
	call->length = next_random() % (units - first + 1) * unit;
}

static void unknown_code(struct memctl_vmm_call *call)
{
	do {
		call->func_code = any_number();
	} while (call->func_code < MEMCTL_FUNCTIONS);
	call->addr = any_number();
	call->length = any_number();
}

static void unaligned(struct memctl_vmm_call *call)
{
	call->func_code = next_random() % MEMCTL_FUNCTIONS;
	call->addr = any_number();
	call->length = any_number();
	if (!((call->addr | call->length) % unit))
		call->length |= 1 + next_random() % (unit - 1);
}

/* Aligned, and running over the end of the address space or out of all RAM. */
static void out_of_ram(struct memctl_vmm_call *call)
{
	call->func_code = next_random() % MEMCTL_FUNCTIONS;
	call->addr = any_window()->phys;
	switch (next_random() % 3) {
	case 0:
		call->length = -call->addr + next_random() % 16 * unit;
		break;
	case 1:
		call->length = (1ULL << 50) + any_number() / 2 / unit * unit;
		break;
	default:
		call->addr = (1ULL << 50) + any_number() / 2 / unit * unit;
		call->length = (1 + next_random() % 1024) * unit;
		break;
	}
}

/* One request. Returns whether it was answered as it must be. */
static bool fuzz_once(int fd)
{
	struct memctl_vmm_call call = { .arg = any_number() };
	struct memctl_buf answer;
	uint32_t must_be = 0;

	switch (next_random() % 4) {
	case 0:
		inside_window(&call);
		break;
	case 1:
		unknown_code(&call);
		must_be = EOPNOTSUPP;
		break;
	case 2:
		unaligned(&call);
		must_be = EINVAL;
		break;
	default:
		out_of_ram(&call);
		must_be = EINVAL;
		break;
	}
	if (call.func_code == MEMCTL_INFO)
		must_be = 0;

	if (memctl_call(fd, call.func_code, call.addr, call.length, call.arg, &answer) ||
	    answer.ret.ret_errno >= sizeof(by_errno) / sizeof(by_errno[0]))
		return false;
	by_errno[answer.ret.ret_errno]++;
	return (!must_be && call.func_code) || answer.ret.ret_errno == must_be;
}

static void add_window(uint64_t phys, uint64_t length)
{
	if (phys % unit || length % unit || !length)
		tap_bail_out("a window is in units of %llu bytes", (unsigned long long)unit);
	if (window_count == MAX_WINDOWS)
		tap_bail_out("too many windows");
	windows[window_count++] = (struct window){ phys, length };
}

/* Every huge page of ours that is one in the guest too. */
static void add_own_windows(char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += HUGE_PAGE) {
		uint64_t phys = physical_address(memory + at, HUGE_PAGE);

		if (phys)
			add_window(phys, HUGE_PAGE);
	}
	if (!window_count)
		tap_bail_out("no huge page to make a window of");
}

/* Undoes what keeps the windows from being used. */
static bool restore_windows(int fd)
{
	bool done = true;

	for (unsigned int i = 0; i < window_count; i++) {
		const struct window *window = &windows[i];

		done &= !memctl_request(fd, MEMCTL_MPROTECT_RW, window->phys, window->length, 0);
		done &= !memctl_request(fd, MEMCTL_MUNLOCK, window->phys, window->length, 0);
	}
	return done;
}

static void fuzz(int fd, uint64_t count)
{
	char *canary = map_memory(CANARY_BYTES);
	uint64_t wrong = 0;

	pattern_fill(canary, CANARY_BYTES, 1);
	for (uint64_t i = 0; i < count; i++)
		wrong += !fuzz_once(fd);

	tap_check(!wrong, "%llu of %llu answers wrong", (unsigned long long)wrong,
		  (unsigned long long)count);
	for (size_t i = 0; i < sizeof(by_errno) / sizeof(by_errno[0]); i++) {
		if (by_errno[i])
			printf("# errno %zu: %llu\n", i, (unsigned long long)by_errno[i]);
	}
	tap_check(restore_windows(fd), "protection and locks of the window can be undone");
	tap_check(pattern_intact(canary, 0, CANARY_BYTES, 1), "memory outside the window is intact");
}

static void parse_window(char *text)
{
	char *plus = strchr(text, '+');

	if (!plus)
		tap_bail_out("a window is START+LENGTH");
	*plus = '\0';
	add_window(number_argument(text), number_argument(plus + 1));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ "mib", required_argument, NULL, 'm' },
		{ "window", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t count = 1000000, seed = 1, mib = 16;
	int option, fd = open_device(&unit);
	char *own = NULL;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			count = number_argument(optarg);
			break;
		case 's':
			seed = number_argument(optarg);
			break;
		case 'm':
			mib = number_argument(optarg);
			break;
		case 'w':
			parse_window(optarg);
			break;
		default:
			tap_bail_out("unknown option");
		}
	}

	if (!mib || mib % 2)
		tap_bail_out("--mib is in huge pages of 2 MiB");
	if (!window_count) {
		own = map_memory(mib << 20);
		add_own_windows(own, mib << 20);
	}

	random_state = seed;
	printf("# seed %llu, %u windows\n", (unsigned long long)seed, window_count);
	fuzz(fd, count);
	if (own) {
		pattern_fill(own, mib << 20, 2);
		tap_check(pattern_intact(own, 0, mib << 20, 2), "the window can be used again");
	}
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
