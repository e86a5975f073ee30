// SPDX-License-Identifier: GPL-2.0
/*
 * The example examples/memctl_key.h: a key that is locked, kept out of dumps and
 * guarded on the host.
 *
 *   memctl-key [--step]
 *
 * With --step it prints where the key and its guards are in guest-physical memory,
 * "step key addr=0x..." and "step guard addr=0x..." twice, then "step freed
 * addr=0x..." for the key when it is gone, and waits for a line on standard input
 * after each.
 */
#include "memory.h"

#include "../examples/memctl_key.h"

static bool step;

static void show(const char *name, uint64_t phys)
{
	char line[16];

	if (!step)
		return;
	printf("step %s addr=%#llx\n", name, (unsigned long long)phys);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		tap_bail_out("standard input ended");
}

int main(int argc, char **argv)
{
	struct memctl_key key;
	uint64_t unit, phys;
	char *reused;
	int ret;

	step = argc == 2 && !strcmp(argv[1], "--step");
	close(open_device(&unit));
	ret = memctl_key_new(&key);
	if (!tap_check(!ret, "memory for a key: errno %d", -ret))
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	if (unit != 4096) {
		tap_skip("a key on the host", "this host guards no single page");
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	tap_check(key.host & MEMCTL_KEY_GUARDED, "the host guards it");
	/* The VMM may have no right to lock. */
	if (key.host & MEMCTL_KEY_LOCKED)
		tap_check(key.host & MEMCTL_KEY_UNDUMPED, "the host locks it and keeps it out of dumps");
	else
		tap_skip("the host locks it and keeps it out of dumps", "the VMM may not lock so much");

	pattern_fill(key.bytes, unit, 1);
	tap_check(pattern_intact(key.bytes, 0, unit, 1), "it holds a key");
	phys = physical_address(key.bytes, unit);
	show("key", phys);
	show("guard", physical_address((char *)key.bytes - unit, unit));
	show("guard", physical_address((char *)key.bytes + unit, unit));

	memctl_key_free(&key);
	show("freed", phys);
	/* Pages that were its guards are among these; one of them would end the guest. */
	reused = map_memory(4 * HUGE_PAGE);
	pattern_fill(reused, 4 * HUGE_PAGE, 2);
	tap_check(pattern_intact(reused, 0, 4 * HUGE_PAGE, 2), "memory can be used after it is freed");
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
