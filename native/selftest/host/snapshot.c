// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_BATCH 512

static void fail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	if (!file)
		fail(path);
	return file;
}

static struct mapping *new_mapping(struct snapshot *snapshot)
{
	struct mapping *grown = realloc(snapshot->mappings, (snapshot->count + 1) * sizeof(*grown));

	if (!grown)
		fail("smaps");
	snapshot->mappings = grown;
	memset(&grown[snapshot->count], 0, sizeof(*grown));
	return &grown[snapshot->count++];
}

/* "7f00-7f01 rw-p 00000000 00:01 12   /path" */
static bool parse_header(struct snapshot *snapshot, const char *line)
{
	uint64_t start, end;
	unsigned long inode;
	char protection[5];
	int name;
	struct mapping *mapping;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %lu %n", &start, &end, protection, &inode, &name) < 4)
		return false;
	mapping = new_mapping(snapshot);
	mapping->start = start;
	mapping->end = end;
	memcpy(mapping->protection, protection, 3);
	mapping->file = inode;
	snprintf(mapping->name, sizeof(mapping->name), "%.*s", (int)strcspn(line + name, "\n"), line + name);
	return true;
}

static void parse_flags(struct mapping *mapping, const char *line)
{
	mapping->locked = strstr(line, " lo ");
	mapping->no_dump = strstr(line, " dd ");
	mapping->mergeable = strstr(line, " mg ");
}

/*
 * Pages that MADV_FREE has marked wait on a list of the processor that did it and count as lazily freed only when that list
 * is worked off. MADV_COLD does so for the processor that it runs on: run it on each.
 */
static void settle_page_lists(void)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	cpu_set_t all;

	page[0] = 1;
	if (sched_getaffinity(0, sizeof(all), &all))
		fail("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;

		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) || madvise(page, PAGE, MADV_COLD))
			fail("MADV_COLD");
	}
	if (sched_setaffinity(0, sizeof(all), &all))
		fail("sched_setaffinity");
}

void snapshot_take(struct snapshot *snapshot, pid_t pid)
{
	FILE *smaps;
	char line[512];

	settle_page_lists();
	smaps = open_proc(pid, "smaps");
	*snapshot = (struct snapshot){ .pid = pid };
	while (fgets(line, sizeof(line), smaps)) {
		struct mapping *mapping;

		if (parse_header(snapshot, line) || !snapshot->count)
			continue;
		mapping = &snapshot->mappings[snapshot->count - 1];
		if (sscanf(line, "LazyFree: %" SCNu64, &mapping->lazy_free_kib) == 1)
			continue;
		if (sscanf(line, "AnonHugePages: %" SCNu64, &mapping->transparent_kib) == 1)
			continue;
		if (!strncmp(line, "VmFlags:", 8))
			parse_flags(mapping, line);
	}
	fclose(smaps);
	if (!snapshot->count)
		fail("smaps is empty");
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->mappings);
	snapshot->mappings = NULL;
	snapshot->count = 0;
}

struct pages {
	uint64_t present_kib;
	uint64_t swapped_kib;
};

static struct pages count_pages(int pagemap, uint64_t start, uint64_t end)
{
	uint64_t entries[PAGEMAP_BATCH];
	struct pages pages = { 0 };

	while (start < end) {
		uint64_t left = (end - start) / PAGE;
		size_t count = left < PAGEMAP_BATCH ? left : PAGEMAP_BATCH;
		size_t bytes = count * sizeof(entries[0]);

		if (pread(pagemap, entries, bytes, (off_t)(start / PAGE * sizeof(entries[0]))) != (ssize_t)bytes)
			fail("pagemap");
		for (size_t i = 0; i < count; i++) {
			pages.present_kib += entries[i] & PAGEMAP_PRESENT ? PAGE / 1024 : 0;
			pages.swapped_kib += entries[i] & PAGEMAP_SWAPPED ? PAGE / 1024 : 0;
		}
		start += count * PAGE;
	}
	return pages;
}

/* By a descriptor of the process that has the file open: /proc/PID/map_files is for privileged users only. */
static uint64_t file_kib(pid_t pid, const struct mapping *mapping)
{
	char path[64];
	struct dirent *entry;
	struct stat status;
	uint64_t kib = 0;
	bool found = false;
	DIR *descriptors;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	descriptors = opendir(path);
	if (!descriptors)
		fail(path);
	while (!found && (entry = readdir(descriptors))) {
		found = !fstatat(dirfd(descriptors), entry->d_name, &status, 0) && S_ISREG(status.st_mode) &&
			status.st_ino == mapping->file;
		kib = found ? (uint64_t)status.st_blocks / 2 : 0;
	}
	closedir(descriptors);
	if (!found)
		fail("no descriptor of the file behind guest RAM");
	return kib;
}

static void add_mapping(struct view *view, const struct mapping *mapping, uint64_t start, uint64_t end,
			struct pages pages)
{
	uint64_t kib = (end - start) / 1024;

	if (!view->mapped) {
		memcpy(view->protection, mapping->protection, sizeof(mapping->protection));
		memcpy(view->name, mapping->name, sizeof(mapping->name));
	} else if (strcmp(view->protection, mapping->protection)) {
		strcpy(view->protection, "mixed");
	}
	view->mapped += kib;
	view->resident += pages.present_kib;
	view->swapped += pages.swapped_kib;
	view->lazy_free += mapping->lazy_free_kib;
	view->transparent += mapping->transparent_kib;
	if (mapping->locked) {
		view->locked += pages.present_kib;
		view->lock_flag += kib;
	}
	view->no_dump += mapping->no_dump ? kib : 0;
	view->mergeable += mapping->mergeable ? kib : 0;
	view->writable += mapping->protection[1] == 'w' ? kib : 0;
}

struct view snapshot_view(const struct snapshot *snapshot, uint64_t start, uint64_t length)
{
	FILE *pagemap = open_proc(snapshot->pid, "pagemap");
	struct view view = { 0 };

	for (size_t i = 0; i < snapshot->count; i++) {
		const struct mapping *mapping = &snapshot->mappings[i];
		uint64_t from = mapping->start > start ? mapping->start : start;
		uint64_t to = mapping->end < start + length ? mapping->end : start + length;

		if (from >= to)
			continue;
		if (!view.mapped && mapping->file)
			view.file = file_kib(snapshot->pid, mapping);
		add_mapping(&view, mapping, from, to, count_pages(fileno(pagemap), from, to));
	}
	fclose(pagemap);
	return view;
}

bool process_read(pid_t pid, uint64_t address, void *buffer, size_t length)
{
	FILE *memory = open_proc(pid, "mem");
	bool all = pread(fileno(memory), buffer, length, (off_t)address) == (ssize_t)length;

	fclose(memory);
	return all;
}

static uint64_t find_in(pid_t pid, int pagemap, const struct mapping *mapping, uint64_t cookie)
{
	for (uint64_t page = mapping->start; page < mapping->end; page += PAGE) {
		uint64_t words[4];

		if (!count_pages(pagemap, page, page + PAGE).present_kib || !process_read(pid, page, words, sizeof(words)))
			continue;
		if (words[0] == cookie && words[1] == cookie && words[2] == cookie && words[3] == cookie)
			return page;
	}
	return 0;
}

/* Guest RAM is the only thing of its size that is readable and writable: smaller mappings need no search. */
#define MIN_RAM (64ull << 20)

uint64_t find_cookie(pid_t pid, uint64_t cookie)
{
	struct snapshot snapshot;
	FILE *pagemap = open_proc(pid, "pagemap");
	uint64_t found = 0;

	snapshot_take(&snapshot, pid);
	for (size_t i = 0; i < snapshot.count && !found; i++) {
		const struct mapping *mapping = &snapshot.mappings[i];

		if (mapping->end - mapping->start >= MIN_RAM && !strcmp(mapping->protection, "rw-"))
			found = find_in(pid, fileno(pagemap), mapping, cookie);
	}
	snapshot_free(&snapshot);
	fclose(pagemap);
	return found;
}
