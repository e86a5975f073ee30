// SPDX-License-Identifier: Apache-2.0
#include "resources.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define KEPT_KIB 32768
#define KEPT_MAPPINGS 32

long resources_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	long lines = 0;

	if (!maps)
		return -1;
	for (int next = getc(maps); next != EOF; next = getc(maps))
		lines += next == '\n';
	fclose(maps);
	return lines;
}

static long status_field(const char *name)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long value = -1;

	while (status && fgets(line, sizeof(line), status)) {
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), " %ld", &value);
	}
	if (status)
		fclose(status);
	return value;
}

static long open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	long count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

struct resources resources_now(void)
{
	return (struct resources){
		.resident_kib = status_field("VmRSS:"),
		.mappings = resources_mappings(),
		.threads = status_field("Threads:"),
		.files = open_files(),
	};
}

bool resources_same(const struct resources *before, const struct resources *after)
{
	return after->threads == before->threads && after->files == before->files &&
	       after->mappings <= before->mappings + KEPT_MAPPINGS && after->resident_kib <= before->resident_kib + KEPT_KIB;
}
