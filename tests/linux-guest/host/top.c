// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A row of the map: an address of 13 columns, a space, letters. */
#define MAP_COLUMN 14

struct shown {
	char runs[256], names[128];
	char letter;
	unsigned int count;
};

static void end_run(struct shown *shown)
{
	size_t used = strlen(shown->runs);

	if (shown->count)
		snprintf(shown->runs + used, sizeof(shown->runs) - used, "%s%u*%c", used ? " " : "", shown->count, shown->letter);
	shown->count = 0;
}

static void take_letters(struct shown *shown, const char *letters)
{
	for (; *letters && *letters != '\n'; letters++) {
		if (*letters == ' ')
			continue;
		if (*letters != shown->letter)
			end_run(shown);
		shown->letter = *letters;
		shown->count++;
	}
}

static void take_line(struct shown *shown, const char *line)
{
	char address[32], name[64];
	size_t used = strlen(shown->names);

	if (line[0] == ' ' && sscanf(line, " %31s", address) == 1 && !strncmp(address, "0x", 2) && strlen(line) > MAP_COLUMN)
		take_letters(shown, line + MAP_COLUMN);
	else if (sscanf(line, "%63s", name) == 1 && !strncmp(name, "memctl-", 7))
		snprintf(shown->names + used, sizeof(shown->names) - used, "%s%s", used ? "," : "", name);
}

/* Appends a line to FILE.SUFFIX. */
static void keep(const struct top *top, const char *suffix, const char *line)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", top->file, suffix);
	file = fopen(path, "a");
	if (!file || fputs(line, file) < 0 || fclose(file))
		perror(path);
}

int top_shows(const struct top *top, uint64_t gpa, uint64_t length, const char *letters, const char *names, char *out,
	      size_t size)
{
	static char line[1 << 20];
	struct shown shown = { .letter = '\0' };
	struct timespec start, end;
	FILE *pipe;

	if (!top->program || !top->api_socket || !top->file)
		return -1;
	snprintf(line, sizeof(line), "'%s' '%s' --json --once --interval 0 --from 0x%" PRIx64 " --to 0x%" PRIx64, top->program,
		 top->api_socket, gpa, gpa + length);
	clock_gettime(CLOCK_MONOTONIC, &start);
	pipe = popen(line, "r");
	if (!pipe)
		return -1;
	while (fgets(line, sizeof(line), pipe)) {
		if (line[0] == '{')
			keep(top, "json", line);
		else
			take_line(&shown, line);
	}
	end_run(&shown);
	if (pclose(pipe) || !shown.runs[0])
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	fprintf(stderr, "memctl-top took %ld ms\n",
		(end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
	snprintf(line, sizeof(line), "0x%09" PRIx64 " %s %s\n", gpa, letters, names);
	keep(top, "seen", line);
	snprintf(out, size, "%s; %s", shown.runs, shown.names[0] ? shown.names : "-");
	return 0;
}
