// SPDX-License-Identifier: GPL-2.0
#include "khugepaged.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define SYSFS "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define SCANS 2
#define LIMIT_SECONDS 60

static bool get(const char *name, unsigned int *value)
{
	char path[128];
	bool read;
	FILE *file;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	file = fopen(path, "re");
	read = file && fscanf(file, "%u", value) == 1;
	if (file)
		fclose(file);
	return read;
}

static bool set(const char *name, unsigned int value)
{
	char path[128];
	bool written;
	FILE *file;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	file = fopen(path, "we");
	if (!file)
		return false;
	written = fprintf(file, "%u", value) > 0;
	return !fclose(file) && written;
}

/* A scan that has begun before the settings were made does not count. */
static bool wait_for_scans(unsigned int before)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	time_t deadline = time(NULL) + LIMIT_SECONDS;
	unsigned int now = before;

	while (now - before < SCANS + 1 && time(NULL) < deadline) {
		nanosleep(&pause, NULL);
		if (!get("full_scans", &now))
			return false;
	}
	return now - before > SCANS;
}

int khugepaged_scan(unsigned int max_ptes_none)
{
	static const char *const names[] = { "max_ptes_none", "pages_to_scan", "scan_sleep_millisecs" };
	const unsigned int wanted[] = { max_ptes_none, 1 << 20, 1 };
	unsigned int before[3], scans, i;
	bool done = get("full_scans", &scans);

	for (i = 0; i < 3; i++)
		if (!get(names[i], &before[i]))
			return -1;
	for (i = 0; i < 3; i++)
		done = set(names[i], wanted[i]) && done;
	done = done && wait_for_scans(scans);
	for (i = 0; i < 3; i++)
		done = set(names[i], before[i]) && done;
	return done ? 0 : -1;
}
