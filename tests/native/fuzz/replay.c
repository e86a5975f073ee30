// SPDX-License-Identifier: Apache-2.0
/* Runs a target on files and on all files of directories, as ordinary tests: TAP on standard output. */
#define _GNU_SOURCE
#include "target.h"

#include "tap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES 65536u

static unsigned int inputs;

static void replay_file(const char *path)
{
	static uint8_t bytes[MAX_BYTES];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		tap_check(false, "%s can be read", path);
		return;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	trace("input %s", path);
	LLVMFuzzerTestOneInput(bytes, size);
	inputs++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);

	for (int index = 0; index < count; index++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[index]->d_name);
		replay_file(name);
		free(entries[index]);
	}
	if (count >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	for (int index = 1; index < argc; index++) {
		struct stat status;
		unsigned int before = inputs;

		if (!stat(argv[index], &status) && S_ISDIR(status.st_mode))
			replay_directory(argv[index]);
		else
			replay_file(argv[index]);
		tap_check(inputs > before, "%s: %u inputs answered as the model has it", argv[index], inputs - before);
	}
	return tap_finish() ? 0 : 1;
}
