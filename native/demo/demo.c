// SPDX-License-Identifier: Apache-2.0
/*
 * Shows a person what the device does: for each function the guest's answer beside what the host's kernel tells of that
 * range of the VMM's memory. MEMCTL_OUT names the directory of the build.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "steps.h"

#define CPUS 2
#define CELL_SIZE 32

static unsigned int faults;
static uint64_t given_back;
static uint64_t given_back_in_all;
static uint64_t lazily_freed;

static const char *answer_text(const struct step *step)
{
	const char *name = step->answer_errno ? strerrorname_np((int)step->answer_errno) : "success";

	return name ? name : "unknown errno";
}

static const char *change(char *cell, uint64_t before, uint64_t after)
{
	if (before == after)
		snprintf(cell, CELL_SIZE, "%" PRIu64, after);
	else
		snprintf(cell, CELL_SIZE, "%" PRIu64 " -> %" PRIu64, before, after);
	return cell;
}

static const char *change_word(char *cell, const char *before, const char *after)
{
	if (!strcmp(before, after))
		snprintf(cell, CELL_SIZE, "%s", after);
	else
		snprintf(cell, CELL_SIZE, "%s -> %s", before, after);
	return cell;
}

static const char *yes(uint64_t kib)
{
	return kib ? "yes" : "no";
}

/* KiB that the host got back: of memory that belongs to a file only what left the file. */
static uint64_t freed(const struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;

	if (!is_shared(step->backing))
		return before->resident > after->resident ? before->resident - after->resident : 0;
	return before->file > after->file ? before->file - after->file : 0;
}

/* What a reader would otherwise wonder about. */
static const char *remark(const struct step *step)
{
	bool shared = is_shared(step->backing);

	if (step->fault[0])
		return step->fault;
	if (is_refused_by_device(step))
		return "the device refuses it, nothing is touched";
	switch (step->func_code) {
	case FUNC_DONTNEED:
		return shared ? "left the page tables only: the file keeps it" : "freed";
	case FUNC_REMOVE:
		return shared ? "freed: a hole in the file" : "for shared memory only (the same call here: EINVAL)";
	case FUNC_FREE:
		return shared ? "for private memory only (the same call here: EINVAL)" : "freed when the host needs memory";
	case FUNC_PAGEOUT:
		if (step->reference_after.range.resident == step->reference_before.range.resident)
			return "kernel lacks swap: the same call here moves nothing";
		if (step->before.range.file && step->after.range.file == step->before.range.file)
			return "left the page tables only: kernel lacks swap";
		return "moved to swap";
	case FUNC_UNMERGEABLE:
		return step->before.range.mergeable ? "KSM leaves it alone: mergeable -> no" : "was not mergeable";
	case FUNC_DONTDUMP:
		return "not in a core dump of the VMM";
	case FUNC_MLOCK:
		return strcmp(step->memory, "untouched") ? "stays in RAM" : "brought in, stays in RAM";
	case FUNC_SET_VMA_ANON_NAME:
		if (step->reference_errno)
			return "kernel lacks it (the same call here fails, too)";
		return step->arg ? step->after.range.name : "name cleared";
	default:
		return "";
	}
}

static void show(const struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;
	char resident[CELL_SIZE], locked[CELL_SIZE], no_dump[CELL_SIZE], protection[CELL_SIZE];

	printf("%-4s %-24s %-11s %-14s %-9s %-10s %-11s %-7s %s\n", step->fault[0] ? "BAD" : "ok", step->label, answer_text(step),
	       change(resident, before->resident, after->resident), change(locked, before->locked, after->locked),
	       change_word(no_dump, yes(before->no_dump), yes(after->no_dump)),
	       change_word(protection, before->protection, after->protection), step->inside_range, remark(step));
	fflush(stdout);
	faults += step->fault[0] != 0;
	given_back += freed(step);
	if (step->func_code == FUNC_FREE && !step->answer_errno)
		lazily_freed += step->after.whole.lazy_free - step->before.whole.lazy_free;
}

static bool show_backing(const struct vmm_paths *paths, enum backing backing, const char *title)
{
	unsigned int steps;
	bool right;

	given_back = 0;
	lazily_freed = 0;
	printf("\nGuest RAM: %s, %d MiB, %d vCPUs, seccomp on\n", title, GUEST_RAM_MIB, CPUS);
	printf("%-4s %-24s %-11s %-14s %-9s %-10s %-11s %-7s %s\n", "", "the guest asks for", "the answer", "resident KiB",
	       "locked", "no-dump", "protection", "reads", "");
	right = run_steps(paths, backing, CPUS, show, &steps);
	printf("memory given back to the host: %" PRIu64 " KiB", given_back);
	if (lazily_freed)
		printf(", and %" PRIu64 " KiB that it takes when it needs them", lazily_freed);
	printf("\n");
	given_back_in_all += given_back;
	return right && steps && given_back;
}

int main(void)
{
	struct vmm_paths paths;
	bool right;

	if (!vmm_find(&paths)) {
		printf("demo: FAILED: the build is not complete\n");
		return 1;
	}
	mkdir(paths.directory, 0755);
	printf("A guest without an operating system stores requests to the memctl device; libmemctl.so acts on its memory.\n"
	       "Beside each answer: what the kernel tells of that range of the VMM in /proc/PID/smaps and pagemap, before -> after.\n"
	       "\"reads\" is what the guest reads there afterwards. Pages on both sides of each range are checked to stay as they were.\n");
	right = show_backing(&paths, BACKING_PRIVATE, "private (anonymous memory)");
	right = show_backing(&paths, BACKING_SHARED, "shared (memfd, as vhost-user needs)") && right;
	printf("\n");
	if (!right || faults) {
		printf("demo: FAILED: %u answers or effects are wrong%s\n", faults, right ? "" : ", or the guest did not come to its end");
		return 1;
	}
	printf("demo: ok: every answer and every effect is as it must be, %" PRIu64 " KiB given back in all\n", given_back_in_all);
	return 0;
}
