// SPDX-License-Identifier: GPL-2.0
/*
 * The example examples/memctl_purge.c, linked instead of preloaded: an allocator's
 * memory goes back to the host with madvise() and munmap().
 *
 *   memctl-purge [--mib N=64] [--step]
 *
 * With --step it prints "filled", "purged" after madvise(), "refilled" and
 * "unmapped", and waits for a line on standard input after each: the time to look
 * at the host.
 */
#include <getopt.h>

#include "memory.h"

static bool step;

static void pause_at(const char *what)
{
	char line[16];

	if (!step)
		return;
	puts(what);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		tap_bail_out("standard input ended");
}

static char *allocate(size_t bytes, int flags)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		tap_bail_out("mmap of %zu bytes: %s", bytes, strerror(errno));
	return memory;
}

static void test_block(size_t bytes)
{
	char *memory = allocate(bytes, MAP_PRIVATE);

	pattern_fill(memory, bytes, 1);
	pause_at("filled");
	tap_check(!madvise(memory, bytes / 2, MADV_DONTNEED) && all_zero(memory, 0, bytes / 2) &&
	   pattern_intact(memory, bytes / 2, bytes, 1), "MADV_DONTNEED of a half: zero, and only that");
	tap_check(!madvise(memory + bytes / 2, bytes / 2, MADV_FREE) &&
	   all_zero(memory, bytes / 2, bytes), "MADV_FREE of the other: the host has it at once");
	pause_at("purged");
	pattern_fill(memory, bytes, 2);
	tap_check(pattern_intact(memory, 0, bytes, 2), "the block can be used again");
	pause_at("refilled");
	tap_check(!munmap(memory, bytes), "munmap");
	pause_at("unmapped");
}

/* What others see keeps what it has. */
static void test_shared(void)
{
	size_t bytes = 1 << 20;
	char *memory = allocate(bytes, MAP_SHARED);

	pattern_fill(memory, bytes, 3);
	tap_check(!madvise(memory, bytes, MADV_DONTNEED) && pattern_intact(memory, 0, bytes, 3),
	   "shared memory stays");
	munmap(memory, bytes);
}

static void test_errors(void)
{
	errno = 0;
	tap_check(madvise((void *)4097, 1 << 20, MADV_DONTNEED) == -1 && errno == EINVAL,
	   "errors are the kernel's");
	errno = 5;
	tap_check(!munmap(allocate(1 << 20, MAP_PRIVATE), 1 << 20) && errno == 5, "success leaves errno");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "step", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t mib = 64, unit;
	int option, fd;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			mib = number_argument(optarg);
		else if (option == 's')
			step = true;
		else
			tap_bail_out("usage: memctl-purge [--mib N] [--step]");
	}

	fd = open_device(&unit);
	if (!memctl_discard_function(fd)) {
		tap_skip("an allocator's memory", "this host frees no single page");
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	test_block(mib << 20);
	test_shared();
	test_errors();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
