// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define PAGE 4096ULL

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_PFN ((1ULL << 55) - 1)
#define KPF_ANON (1ULL << 12)
#define KPF_SWAPBACKED (1ULL << 14)
#define KPF_COMPOUND_TAIL (1ULL << 16)

/* Small pages in a transparent huge page: only its first has all flags. */
#define HUGE_PAGES 512ULL

struct mapping {
	uint64_t start, end;
	char perms[8];
	char name[128];
	uint64_t rss_kib, hugetlb_kib;
	bool locked, nodump, mergeable, hugetlb;
};

static FILE *open_proc(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fopen(path, "re");
}

static bool has_flag(const char *flags, const char *flag)
{
	char word[8];

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(flags, word) != NULL;
}

/*
 * Read the next mapping of an open smaps. VmFlags is the last line of each.
 */
static bool next_mapping(FILE *smaps, struct mapping *map)
{
	uint64_t start, end, kib;
	char line[512];

	memset(map, 0, sizeof(*map));
	while (fgets(line, sizeof(line), smaps)) {
		/* Not into map at once: "Anonymous:" begins with a hexadecimal digit. */
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %127[^\n]", &start, &end,
			   map->perms, map->name) >= 3) {
			map->start = start;
			map->end = end;
		} else if (sscanf(line, "Rss: %lu", &kib) == 1)
			map->rss_kib = kib;
		else if (sscanf(line, "Shared_Hugetlb: %lu", &kib) == 1 ||
			 sscanf(line, "Private_Hugetlb: %lu", &kib) == 1)
			map->hugetlb_kib += kib;
		else if (!strncmp(line, "VmFlags:", 8)) {
			line[strcspn(line, "\n")] = ' ';
			map->locked = has_flag(line, "lo");
			map->nodump = has_flag(line, "dd");
			map->mergeable = has_flag(line, "mg");
			map->hugetlb = has_flag(line, "ht");
			return true;
		}
	}
	return false;
}

/* Entries of pagemap that are read at once. */
#define PAGEMAP_BATCH 4096

static int count_signatures(struct guest_ram *ram, const struct mapping *map,
			    int pagemap, int memory, uint64_t gpa,
			    const uint8_t *signature)
{
	static uint64_t entries[PAGEMAP_BATCH];
	uint64_t first = map->start / PAGE, last = map->end / PAGE;
	uint8_t head[SIGNATURE_BYTES];
	int found = 0;

	while (first < last) {
		size_t want = last - first < PAGEMAP_BATCH ? last - first : PAGEMAP_BATCH;
		ssize_t got = pread(pagemap, entries, want * 8, first * 8) / 8, i;

		if (got <= 0)
			break;
		for (i = 0; i < got; i++) {
			if (!(entries[i] & PAGEMAP_PRESENT) ||
			    pread(memory, head, sizeof(head), (first + i) * PAGE) !=
				    sizeof(head) ||
			    memcmp(head, signature, sizeof(head)))
				continue;
			ram->base = (first + i) * PAGE - gpa;
			found++;
		}
		first += got;
	}
	return found;
}

int probe_locate(struct guest_ram *ram, pid_t vmm, uint64_t gpa, uint64_t start,
		 uint64_t end, const uint8_t signature[SIGNATURE_BYTES])
{
	struct mapping map;
	char path[64];
	int pagemap, memory, found = 0;
	FILE *smaps = open_proc(vmm, "smaps");

	snprintf(path, sizeof(path), "/proc/%d/pagemap", vmm);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/mem", vmm);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	*ram = (struct guest_ram){ .vmm = vmm, .start = start, .end = end };
	while (smaps && pagemap >= 0 && memory >= 0 && next_mapping(smaps, &map))
		if (!strncmp(map.perms, "rw", 2))
			found += count_signatures(ram, &map, pagemap, memory,
						  gpa, signature);
	if (smaps)
		fclose(smaps);
	if (pagemap >= 0)
		close(pagemap);
	if (memory >= 0)
		close(memory);
	return found;
}

static bool in_ram(const struct guest_ram *ram, uint64_t gpa, uint64_t length)
{
	return gpa >= ram->start && gpa < ram->end && length <= ram->end - gpa;
}

/* Appends to a run-length coded line; a run is written when it ends. */
struct runs {
	char *out;
	size_t size, used;
	char value[16];
	uint64_t count;
};

static void end_run(struct runs *runs)
{
	if (!runs->count || runs->used >= runs->size)
		return;
	runs->used += snprintf(runs->out + runs->used, runs->size - runs->used,
			       "%s%lu*%s", runs->used ? " " : "", runs->count,
			       runs->value);
	runs->count = 0;
}

static void add_run(struct runs *runs, const char *value, uint64_t count)
{
	if (runs->count && strcmp(runs->value, value))
		end_run(runs);
	snprintf(runs->value, sizeof(runs->value), "%s", value);
	runs->count += count;
}

static int runs_result(struct runs *runs)
{
	end_run(runs);
	return runs->used && runs->used < runs->size ? 0 : -1;
}

static bool frame_flags(int kpageflags, uint64_t frame, uint64_t *flags)
{
	return pread(kpageflags, flags, 8, frame * 8) == 8;
}

static char page_state(uint64_t entry, int kpageflags)
{
	uint64_t frame = entry & PAGEMAP_PFN, flags;

	if (entry & PAGEMAP_SWAPPED)
		return 's';
	if (!(entry & PAGEMAP_PRESENT))
		return '.';
	if (!frame_flags(kpageflags, frame, &flags))
		return '?';
	if ((flags & KPF_COMPOUND_TAIL) &&
	    !frame_flags(kpageflags, frame & -HUGE_PAGES, &flags))
		return '?';
	return (flags & KPF_ANON) && !(flags & KPF_SWAPBACKED) ? 'l' : 'p';
}

/*
 * MADV_FREE and others mark pages in batches, one for each processor. MADV_COLD
 * completes that of the processor it runs on, in every kernel.
 */
static void complete_batches(void)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	cpu_set_t all, one;
	int cpu;

	page[0] = 1;
	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		madvise(page, PAGE, MADV_COLD);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

int probe_pages(const struct guest_ram *ram, uint64_t gpa, uint64_t length,
		uint64_t unit, char *out, size_t size)
{
	struct runs runs = { .out = out, .size = size };
	char path[64], state[2] = "";
	int pagemap, kpageflags, error = -1;
	uint64_t offset, entry;

	if (!in_ram(ram, gpa, length))
		return -1;
	complete_batches();
	snprintf(path, sizeof(path), "/proc/%d/pagemap", ram->vmm);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0 || kpageflags < 0)
		goto out;
	for (offset = 0; offset < length; offset += unit) {
		if (pread(pagemap, &entry, 8, (ram->base + gpa + offset) / PAGE * 8) != 8)
			goto out;
		state[0] = page_state(entry, kpageflags);
		add_run(&runs, state, 1);
	}
	error = runs_result(&runs);
out:
	if (pagemap >= 0)
		close(pagemap);
	if (kpageflags >= 0)
		close(kpageflags);
	return error;
}

int probe_attributes(const struct guest_ram *ram, uint64_t gpa, uint64_t length,
		     uint64_t unit, char *out, size_t size)
{
	struct runs runs = { .out = out, .size = size };
	uint64_t first = ram->base + gpa, last = first + length;
	FILE *smaps = open_proc(ram->vmm, "smaps");
	struct mapping map;
	char value[16];

	if (!smaps || !in_ram(ram, gpa, length)) {
		if (smaps)
			fclose(smaps);
		return -1;
	}
	while (next_mapping(smaps, &map)) {
		uint64_t start = map.start > first ? map.start : first;
		uint64_t end = map.end < last ? map.end : last;

		if (start >= end)
			continue;
		snprintf(value, sizeof(value), "%s%s%s%s", map.perms,
			 map.locked ? "L" : "", map.nodump ? "D" : "",
			 map.mergeable ? "M" : "");
		add_run(&runs, value, (end - start) / unit);
	}
	fclose(smaps);
	return runs_result(&runs);
}

/* The mapping that holds a guest-physical address. */
static int mapping_at(const struct guest_ram *ram, uint64_t gpa, struct mapping *map)
{
	FILE *smaps = open_proc(ram->vmm, "smaps");
	int error = -1;

	while (smaps && error && next_mapping(smaps, map))
		if (map->start <= ram->base + gpa && ram->base + gpa < map->end)
			error = 0;
	if (smaps)
		fclose(smaps);
	return error;
}

int probe_name(const struct guest_ram *ram, uint64_t gpa, char *out, size_t size)
{
	struct mapping map;
	char *name;

	if (mapping_at(ram, gpa, &map))
		return -1;
	name = strstr(map.name, "[anon:");
	if (!name)
		name = strstr(map.name, "[anon_shmem:");
	snprintf(out, size, "%s", name ? name : "-");
	return 0;
}

/* KiB allocated to the file behind a shared mapping. */
static long allocated_kib(const struct guest_ram *ram, const struct mapping *map)
{
	struct stat file;
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", ram->vmm,
		 map->start, map->end);
	return stat(path, &file) ? -1 : file.st_blocks / 2;
}

int probe_usage(const struct guest_ram *ram, char *out, size_t size)
{
	FILE *smaps = open_proc(ram->vmm, "smaps");
	long resident = 0, allocated = -1;
	struct mapping map;

	while (smaps && next_mapping(smaps, &map)) {
		if (map.end <= ram->base + ram->start || map.start >= ram->base + ram->end)
			continue;
		resident += map.rss_kib + map.hugetlb_kib;
		if (map.perms[3] == 's' && allocated < 0)
			allocated = allocated_kib(ram, &map);
	}
	if (smaps)
		fclose(smaps);
	snprintf(out, size, "resident=%ld allocated=%ld", resident,
		 allocated < 0 ? resident : allocated);
	return smaps ? 0 : -1;
}

int probe_backing(const struct guest_ram *ram, char *out, size_t size)
{
	struct mapping map;

	if (mapping_at(ram, ram->start, &map))
		return -1;
	snprintf(out, size, "%s%s", map.hugetlb ? "hugetlb-" : "",
		 map.perms[3] == 's' ? "shared" : "private");
	return 0;
}

/* The error that this kernel has for a name on memory of that kind, 0 for none. */
static int name_error(int kind)
{
	size_t length = kind & MAP_HUGETLB ? HUGE_PAGES * PAGE : PAGE;
	void *page = mmap(NULL, length, PROT_READ, kind | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int error;

	if (page == MAP_FAILED)
		return errno;
	error = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, length, "probe") ? errno : 0;
	munmap(page, length);
	return error;
}

int probe_features(char *out, size_t size)
{
	FILE *swaps = fopen("/proc/swaps", "re");
	char line[256];
	int lines = 0;

	if (!swaps)
		return -1;
	while (fgets(line, sizeof(line), swaps))
		lines++;
	fclose(swaps);
	snprintf(out, size, "name_private=%d name_shared=%d name_hugetlb=%d swap=%d",
		 name_error(MAP_PRIVATE), name_error(MAP_SHARED),
		 name_error(MAP_SHARED | MAP_HUGETLB), lines > 1);
	return 0;
}
