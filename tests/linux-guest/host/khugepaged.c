// SPDX-License-Identifier: GPL-2.0
#include "khugepaged.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "number.h"

#define FOLDER "/sys/kernel/mm/transparent_hugepage/khugepaged"
#define SCANS 2
#define LIMIT_SECONDS 60
#define SETTINGS 3

static const char *const names[SETTINGS] = { "max_ptes_none", "pages_to_scan", "scan_sleep_millisecs" };

static bool write_settings(const unsigned long values[SETTINGS])
{
	char path[128];
	FILE *file;
	int i;

	for (i = 0; i < SETTINGS; i++) {
		snprintf(path, sizeof(path), FOLDER "/%s", names[i]);
		file = fopen(path, "we");
		if (!file)
			return false;
		fprintf(file, "%lu", values[i]);
		if (fclose(file))
			return false;
	}
	return true;
}

/* A scan that has begun before the settings were made does not count. */
static bool wait_for_scans(unsigned long before)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	time_t deadline = time(NULL) + LIMIT_SECONDS;
	unsigned long now = before;

	while (now - before <= SCANS && time(NULL) < deadline) {
		nanosleep(&pause, NULL);
		if (!read_number(FOLDER, "full_scans", &now))
			return false;
	}
	return now - before > SCANS;
}

int khugepaged_scan(unsigned long max_ptes_none, char *out, size_t size)
{
	const unsigned long wanted[SETTINGS] = { max_ptes_none, 1 << 20, 1 };
	unsigned long before[SETTINGS], scans;
	bool allowed, in_time;
	int i;

	for (i = 0; i < SETTINGS; i++)
		if (!read_number(FOLDER, names[i], &before[i]))
			return -1;
	if (!read_number(FOLDER, "full_scans", &scans))
		return -1;
	allowed = write_settings(wanted);
	in_time = allowed && wait_for_scans(scans);
	if (!write_settings(before) || !allowed)
		return -1;
	snprintf(out, size, "%s", in_time ? "done" : "late");
	return 0;
}
