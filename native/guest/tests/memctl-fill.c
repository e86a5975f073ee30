// SPDX-License-Identifier: GPL-2.0
/*
 * Fills memory and frees it again, as workloads do: what free page reporting then
 * gives back to the host must be there again, empty, when it is next used.
 *
 *   memctl-fill [--mib N=512] [--loops N=2] [--step]
 *
 * With --step it prints "filled N" and "freed N", and waits for a line on standard
 * input after each: the time to look at the host.
 */
#include <getopt.h>

#include "memory.h"

static bool step;

static void pause_at(const char *what, uint64_t loop)
{
	char line[16];

	if (!step)
		return;
	printf("%s %llu\n", what, (unsigned long long)loop);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		tap_bail_out("standard input ended");
}

static void fill_and_free(uint64_t loop, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		tap_bail_out("mmap of %zu bytes: %s", bytes, strerror(errno));
	tap_check(all_zero(memory, 0, bytes), "loop %llu: new memory is zero", (unsigned long long)loop);
	pattern_fill(memory, bytes, loop);
	tap_check(pattern_intact(memory, 0, bytes, loop), "loop %llu: memory keeps what it was given",
		  (unsigned long long)loop);
	pause_at("filled", loop);
	tap_check(pattern_intact(memory, 0, bytes, loop), "loop %llu: and goes on keeping it",
		  (unsigned long long)loop);
	munmap(memory, bytes);
	pause_at("freed", loop);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "loops", required_argument, NULL, 'l' },
		{ "step", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t mib = 512, loops = 2;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			mib = number_argument(optarg);
			break;
		case 'l':
			loops = number_argument(optarg);
			break;
		case 's':
			step = true;
			break;
		default:
			tap_bail_out("usage: memctl-fill [--mib N] [--loops N] [--step]");
		}
	}

	for (uint64_t loop = 1; loop <= loops; loop++)
		fill_and_free(loop, mib << 20);
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
