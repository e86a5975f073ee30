// SPDX-License-Identifier: Apache-2.0
/*
 * The bare-metal guest under the reference VMM, checked from the host. MEMCTL_OUT names the directory of the build. TAP.
 * Arguments, if any, name the parts to run: judge private private-thp shared hugepages dialect large calls kicks attack.
 */
#include <string.h>

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

/* Whether a part of the tests was asked for; all are, where none is named. */
static bool is_wanted(int count, char **names, const char *part)
{
	for (int i = 1; i < count; i++) {
		if (!strcmp(names[i], part))
			return true;
	}
	return count < 2;
}

int main(int count, char **names)
{
	struct vmm_paths paths;

	if (!vmm_find(&paths))
		return 1;
	if (is_wanted(count, names, "judge"))
		check_judge();
	if (is_wanted(count, names, "private"))
		check_backing(&paths, BACKING_PRIVATE);
	if (is_wanted(count, names, "private-thp"))
		check_backing(&paths, BACKING_TRANSPARENT);
	if (is_wanted(count, names, "shared"))
		check_backing(&paths, BACKING_SHARED);
	if (is_wanted(count, names, "hugepages"))
		check_huge_pages(&paths);
	if (is_wanted(count, names, "dialect"))
		check_other_dialect(&paths);
	if (is_wanted(count, names, "large"))
		check_large_guest(&paths);
	if (is_wanted(count, names, "calls")) {
		check_system_calls(&paths, 1);
		check_system_calls(&paths, 2);
	}
	if (is_wanted(count, names, "kicks"))
		check_kicks(&paths);
	if (is_wanted(count, names, "attack")) {
		check_attack(&paths, BACKING_PRIVATE);
		check_attack(&paths, BACKING_SHARED);
	}
	return tap_finish() ? 0 : 1;
}
