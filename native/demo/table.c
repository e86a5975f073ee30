// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

#define COLUMNS "%-4s %-23s  %-10s  %-41s  %-12s  %s\n"

static const char *answer_text(const struct step *step)
{
	const char *name = step->answer_errno ? strerrorname_np((int)step->answer_errno) : "success";

	return name ? name : "unknown";
}

/* What changed, "resident 32 -> 0 KiB, locked 0 -> 32 KiB". */
struct changes {
	char text[160];
	size_t used;
};

static void add(struct changes *changes, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct changes *changes, const char *format, ...)
{
	size_t left = sizeof(changes->text) - changes->used;
	va_list arguments;
	int length;

	if (changes->used)
		changes->used += (size_t)snprintf(changes->text + changes->used, left, ", ");
	left = sizeof(changes->text) - changes->used;
	va_start(arguments, format);
	length = vsnprintf(changes->text + changes->used, left, format, arguments);
	va_end(arguments);
	changes->used += (size_t)length < left ? (size_t)length : left - 1;
}

static void add_kib(struct changes *changes, const char *what, uint64_t before, uint64_t after)
{
	if (before != after)
		add(changes, "%s %" PRIu64 " -> %" PRIu64 " KiB", what, before, after);
}

static const char *name_of(const struct view *view)
{
	return is_named(view) ? view->name : "none";
}

/* Of memory that belongs to a file only what left the file is the host's again. */
static uint64_t freed_kib(const struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;
	uint64_t was = is_shared(step->backing) ? before->file : before->resident + before->swapped;
	uint64_t is = is_shared(step->backing) ? after->file : after->resident + after->swapped;

	return was > is ? was - is : 0;
}

static uint64_t lazily_freed_kib(const struct step *step)
{
	uint64_t before = step->before.whole.lazy_free, after = step->after.whole.lazy_free;

	return step->func_code == FUNC_FREE && after > before ? after - before : 0;
}

static const char *list_changes(const struct step *step, struct changes *changes)
{
	const struct view *before = &step->before.range, *after = &step->after.range;

	add_kib(changes, "resident", before->resident, after->resident);
	add_kib(changes, "swapped", before->swapped, after->swapped);
	if (is_shared(step->backing) && freed_kib(step))
		add(changes, "file -%" PRIu64 " KiB", freed_kib(step));
	if (lazily_freed_kib(step))
		add(changes, "lazily freed +%" PRIu64 " KiB", lazily_freed_kib(step));
	add_kib(changes, "locked", before->locked, after->locked);
	add_kib(changes, "mergeable", before->mergeable, after->mergeable);
	if (before->no_dump != after->no_dump)
		add(changes, "in core dumps %s -> %s", before->no_dump ? "no" : "yes", after->no_dump ? "no" : "yes");
	if (strcmp(before->protection, after->protection))
		add(changes, "access %s -> %s", before->protection, after->protection);
	if (strcmp(name_of(before), name_of(after)))
		add(changes, "name %s -> %s", name_of(before), name_of(after));
	return changes->used ? changes->text : "no change";
}

static const char *pageout_remark(const struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;

	if (after->swapped > before->swapped)
		return "moved to swap";
	/* Of shared memory the page tables don't show where it is now. */
	if (after->resident < before->resident)
		return host_has_swap() ? "the file keeps it, perhaps in swap" : "the file keeps it: nothing is freed";
	if (!host_has_swap())
		return "not visible: a host without swap";
	return "advice: the kernel keeps pages in use";
}

static const char *unmergeable_remark(const struct step *step)
{
	if (!host_has_ksm())
		return "not visible: a kernel without KSM";
	return step->before.range.mergeable ? "KSM shares these pages with nobody" : "KSM shares only private memory";
}

static const char *name_remark(const struct step *step)
{
	if (step->reference_errno)
		return "not visible: a kernel without names";
	return step->arg ? "the guest gave the number 7" : "0 takes the name away";
}

/* What a reader would otherwise wonder about. */
static const char *remark(const struct step *step)
{
	bool shared = is_shared(step->backing);

	if (is_refused_by_device(step))
		return "refused by the device";
	switch (step->func_code) {
	case FUNC_INFO:
		return "version and page size";
	case FUNC_DONTNEED:
		return shared ? "the file keeps it: nothing is freed" : "freed at once";
	case FUNC_REMOVE:
		return shared ? "freed at once: a hole in the file" : "for shared memory only";
	case FUNC_FREE:
		return shared ? "for private memory only" : "freed when the host needs memory";
	case FUNC_PAGEOUT:
		return pageout_remark(step);
	case FUNC_UNMERGEABLE:
		return unmergeable_remark(step);
	case FUNC_DONTDUMP:
		return "left out of a core dump of the VMM";
	case FUNC_MLOCK:
		return strcmp(step->memory, "untouched") ? "never swapped out" : "brought in, never swapped out";
	case FUNC_MUNLOCK:
		return "may be swapped out again";
	case FUNC_MPROTECT_NONE:
		return "a guard: touching it stops the guest";
	case FUNC_MPROTECT_R:
		return "read-only";
	case FUNC_MPROTECT_W:
		return "write-only";
	case FUNC_MPROTECT_RW:
		return "as before, with the same bytes";
	case FUNC_SET_VMA_ANON_NAME:
		return name_remark(step);
	default:
		return "";
	}
}

void table_head(void)
{
	printf(COLUMNS, "", "request", "answer", "on the host, before -> after", "guest reads", "");
	printf(COLUMNS, "", "-------", "------", "----------------------------", "-----------", "");
}

void table_row(const struct step *step, struct totals *totals)
{
	struct changes changes = { .used = 0 };

	printf(COLUMNS, step->fault[0] ? "BAD" : "ok", step->label, answer_text(step), list_changes(step, &changes),
	       step->inside_range, remark(step));
	if (step->fault[0])
		printf("     ^ wrong: %s\n", step->fault);
	fflush(stdout);
	totals->requests++;
	totals->wrong += step->fault[0] != 0;
	totals->freed_kib += freed_kib(step);
	totals->lazily_freed_kib += lazily_freed_kib(step);
}
