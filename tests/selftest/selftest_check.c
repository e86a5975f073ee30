// SPDX-License-Identifier: Apache-2.0
/* The bare-metal guest under the reference VMM, checked from the host. MEMCTL_OUT names the directory of the build. TAP. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"
#include "huge_pages.h"
#include "tap.h"

static const unsigned int cpu_counts[] = { 1, 4 };

static void check_backing(const struct vmm_paths *paths, enum backing backing)
{
	for (unsigned int i = 0; i < sizeof(cpu_counts) / sizeof(cpu_counts[0]); i++) {
		check_guest(paths, backing, cpu_counts[i]);
		check_host_effects(paths, backing, cpu_counts[i]);
	}
}

static void check_huge_pages(const struct vmm_paths *paths)
{
	const char *reason;

	if (!huge_pages_reserve(&reason)) {
		tap_skip("guest and host, hugepages", reason);
		return;
	}
	check_backing(paths, BACKING_HUGEPAGES);
	huge_pages_release();
}

int main(void)
{
	struct vmm_paths paths;

	if (access("/dev/kvm", R_OK | W_OK)) {
		tap_skip("the bare-metal guest", "no access to /dev/kvm");
		printf("1..1\n");
		return 0;
	}
	if (!vmm_find(&paths))
		return 1;
	mkdir(paths.directory, 0755);
	check_backing(&paths, BACKING_PRIVATE);
	check_backing(&paths, BACKING_SHARED);
	check_huge_pages(&paths);
	check_system_calls(&paths, 1);
	check_system_calls(&paths, 2);
	check_kicks(&paths);
	return tap_finish() ? 0 : 1;
}
