// SPDX-License-Identifier: Apache-2.0
/*
 * Shows a person what the device does: for each request the guest's answer beside what the host's kernel reports of that range
 * of the VMM's memory. MEMCTL_OUT names the directory of the build. Exits with 0 if every answer and every effect was right.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "host.h"
#include "moments.h"
#include "table.h"

#define CPUS 2

static struct totals totals;

static void show(const struct step *step)
{
	table_row(step, &totals);
	moment_after(step);
}

/* Returns whether the guest came to its end. */
static bool show_backing(const struct vmm_paths *paths, enum backing backing, const char *title)
{
	const struct step_watcher watcher = {
		.api_socket = moments_begin(backing), .about_to = moment_before, .seen = show,
	};
	struct totals before = totals;
	unsigned int steps;
	bool ended;

	printf("\n%s, %d MiB, %d vCPUs\n\n", title, GUEST_RAM_MIB, CPUS);
	table_head();
	ended = run_steps(paths, backing, CPUS, &watcher, &steps);
	printf("\n     Given back to the host: %" PRIu64 " KiB", totals.freed_kib - before.freed_kib);
	if (totals.lazily_freed_kib > before.lazily_freed_kib)
		printf(", and %" PRIu64 " KiB more as soon as it needs memory",
		       totals.lazily_freed_kib - before.lazily_freed_kib);
	printf("\n");
	return ended && steps && totals.freed_kib > before.freed_kib;
}

int main(void)
{
	struct vmm_paths paths;
	time_t start = time(NULL);
	bool ended;

	if (!vmm_find(&paths)) {
		printf("demo: FAILED: the build is not complete\n");
		return 1;
	}
	host_show();
	ended = show_backing(&paths, BACKING_PRIVATE, "1. Private guest RAM (anonymous memory)");
	ended = show_backing(&paths, BACKING_SHARED, "2. Shared guest RAM (a memfd, as vhost-user and virtio-fs need)") && ended;
	printf("\n");
	if (totals.wrong || !ended) {
		printf("demo: FAILED: %u of %u requests had a wrong answer or effect%s\n", totals.wrong, totals.requests,
		       ended ? "" : ", and a guest did not come to its end");
		return 1;
	}
	printf("demo: ok: %u requests in %ld s, each answer and each effect right; %" PRIu64 " KiB given back to the host\n",
	       totals.requests, (long)(time(NULL) - start), totals.freed_kib);
	return 0;
}
