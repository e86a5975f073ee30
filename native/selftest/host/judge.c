// SPDX-License-Identifier: Apache-2.0
/*
 * What must be true of a step. Two measures: what is known of each function on each kind of memory, and what the same call does
 * in this process. And always: nothing but the named range changes, in the neighbours or anywhere in guest RAM.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "steps.h"

static void blame(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps the first fault. */
static void blame(struct step *step, const char *format, ...)
{
	va_list arguments;

	if (step->fault[0])
		return;
	va_start(arguments, format);
	vsnprintf(step->fault, sizeof(step->fault), format, arguments);
	va_end(arguments);
}

static void must_be(struct step *step, const char *what, uint64_t is, uint64_t expected)
{
	if (is != expected)
		blame(step, "%s is %" PRIu64 ", must be %" PRIu64, what, is, expected);
}

static void must_be_word(struct step *step, const char *what, const char *is, const char *expected)
{
	if (strcmp(is, expected))
		blame(step, "%s is %s, must be %s", what, is, expected);
}

bool is_refused_by_device(const struct step *step)
{
	return !step->whole_range || step->func_code >= FUNC_CODES;
}

static uint64_t known_errno(const struct step *step)
{
	if (step->func_code >= FUNC_CODES)
		return EOPNOTSUPP;
	if (!step->whole_range)
		return EINVAL;
	if (step->func_code == FUNC_REMOVE && !is_shared(step->backing))
		return EINVAL;
	if (step->func_code == FUNC_FREE && is_shared(step->backing))
		return EINVAL;
	if (step->func_code == FUNC_PAGEOUT && step->backing == BACKING_HUGEPAGES)
		return EINVAL;
	/* Compiled out of some kernels; the reference knows. */
	if (step->func_code == FUNC_SET_VMA_ANON_NAME || step->func_code == FUNC_UNMERGEABLE)
		return (uint64_t)step->reference_errno;
	return 0;
}

static void judge_answer(struct step *step)
{
	must_be(step, "errno", step->answer_errno, known_errno(step));
	if (is_refused_by_device(step)) {
		if (!step->answer_code)
			blame(step, "ret_code is 0, must be the device's");
		return;
	}
	must_be(step, "errno (measured against this process)", step->answer_errno, (uint64_t)step->reference_errno);
	must_be(step, "ret_code", step->answer_code, 0);
}

/*
 * Pages in RAM or in swap: what the kernel swaps out or in meanwhile is its own affair, and so are the pages that it adds when it
 * makes a transparent huge page of what was there, which shows in `transparent`.
 */
static void must_hold(struct step *step, const char *what, const struct view *before, const struct view *after, uint64_t freed)
{
	uint64_t expected = before->resident + before->swapped - freed;
	uint64_t is = after->resident + after->swapped;
	uint64_t collapsed = after->transparent > before->transparent ? after->transparent - before->transparent : 0;

	if (is < expected || is > expected + collapsed)
		must_be(step, what, is, expected);
}

static void judge_neighbour(struct step *step, const struct view *before, const struct view *after)
{
	must_hold(step, "neighbour's resident KiB", before, after, 0);
	must_be(step, "neighbour's locked KiB", after->lock_flag, before->lock_flag);
	must_be(step, "neighbour's no-dump KiB", after->no_dump, before->no_dump);
	must_be(step, "neighbour's mergeable KiB", after->mergeable, before->mergeable);
	must_be_word(step, "neighbour's protection", after->protection, before->protection);
	must_be_word(step, "neighbour's name", after->name, before->name);
}

/* Whatever changed in all of guest RAM changed in the range. */
static void judge_whole(struct step *step)
{
	const struct view *range = &step->before.range, *range_after = &step->after.range;
	const struct view *whole = &step->before.whole, *whole_after = &step->after.whole;

	must_hold(step, "resident KiB of guest RAM", whole, whole_after,
		  range->resident + range->swapped - range_after->resident - range_after->swapped);
	must_be(step, "locked KiB of guest RAM", whole_after->lock_flag, whole->lock_flag + range_after->lock_flag - range->lock_flag);
	must_be(step, "no-dump KiB of guest RAM", whole_after->no_dump, whole->no_dump + range_after->no_dump - range->no_dump);
	must_be(step, "mergeable KiB of guest RAM", whole_after->mergeable,
		whole->mergeable + range_after->mergeable - range->mergeable);
	must_be(step, "writable KiB of guest RAM", whole_after->writable, whole->writable + range_after->writable - range->writable);
	must_be(step, "mapped KiB of guest RAM", whole_after->mapped, whole->mapped);
}

/*
 * FREE marks pages as it does here. Afterwards they count until the kernel takes them, or KVM finds them dirty, which it may at
 * any moment: other functions add none, and may find fewer.
 */
static void judge_lazy_free(struct step *step)
{
	uint64_t before = step->before.whole.lazy_free, after = step->after.whole.lazy_free;

	if (step->func_code == FUNC_FREE)
		must_be(step, "lazily freed KiB", after,
			before + step->reference_after.whole.lazy_free - step->reference_before.whole.lazy_free);
	else if (after > before)
		must_be(step, "lazily freed KiB", after, before);
}

/* Sizes of the range that a call changes as it does in this process; what of it is absolute is in judge_known(). */
static void judge_by_reference(struct step *step)
{
	const struct look *before = &step->reference_before, *after = &step->reference_after;
	struct view expected = step->before.range;
	const struct view *is = &step->after.range;

	expected.resident += after->range.resident - before->range.resident;
	expected.lock_flag += after->range.lock_flag - before->range.lock_flag;
	expected.file += after->range.file - before->range.file;
	must_be(step, "locked KiB", is->lock_flag, expected.lock_flag);
	must_be(step, "KiB in the file", is->file, expected.file);
	/* Reclaim is the kernel's to decide: it may take less than it is offered. */
	if (step->func_code == FUNC_PAGEOUT && is->resident <= step->before.range.resident)
		return;
	/* What was resident before depends on whose huge page the range lies in; what must be afterwards is known. */
	if (step->func_code == FUNC_MLOCK)
		return;
	must_be(step, "resident KiB", is->resident + is->swapped, expected.resident + expected.swapped);
}

static const char *known_protection(const struct step *step)
{
	switch (step->func_code) {
	case FUNC_MPROTECT_NONE:
		return "---";
	case FUNC_MPROTECT_R:
		return "r--";
	case FUNC_MPROTECT_W:
		return "-w-";
	case FUNC_MPROTECT_RW:
		return "rw-";
	default:
		return step->before.range.protection;
	}
}

bool is_named(const struct view *view)
{
	return !strncmp(view->name, "[anon:", 6) || !strncmp(view->name, "[anon_shmem:", 12);
}

/* The name that the kernel gives this memory here is the one that the VMM's must have. */
static void judge_name(struct step *step)
{
	if (step->func_code != FUNC_SET_VMA_ANON_NAME || step->answer_errno)
		must_be_word(step, "name", step->after.range.name, step->before.range.name);
	else if (step->arg)
		must_be_word(step, "name", step->after.range.name, step->reference_after.range.name);
	else if (is_named(&step->after.range))
		blame(step, "name is %s, must be none", step->after.range.name);
}

static void judge_attributes(struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;
	bool done = !step->answer_errno && step->whole_range;
	uint64_t kib = step->length / 1024;

	must_be(step, "no-dump KiB", after->no_dump, done && step->func_code == FUNC_DONTDUMP ? kib : before->no_dump);
	must_be(step, "mergeable KiB", after->mergeable, done && step->func_code == FUNC_UNMERGEABLE ? 0 : before->mergeable);
	must_be_word(step, "protection", after->protection, done ? known_protection(step) : before->protection);
	judge_name(step);
}

static void judge_known(struct step *step)
{
	const struct view *before = &step->before.range, *after = &step->after.range;
	uint64_t kib = step->length / 1024;
	bool shared = is_shared(step->backing);
	bool huge = step->backing == BACKING_HUGEPAGES;

	switch (step->func_code) {
	case FUNC_DONTNEED:
		must_be(step, "resident KiB before", before->resident, kib);
		must_be(step, "resident KiB", after->resident, 0);
		break;
	case FUNC_REMOVE:
		must_be(step, "resident KiB before", before->resident, kib);
		must_be(step, "resident KiB", after->resident, shared ? 0 : kib);
		must_be(step, "KiB in the file", after->file, before->file - (shared ? kib : 0));
		break;
	case FUNC_UNMERGEABLE:
		/* The VMM was told mergeable=on for private memory only, and a kernel may lack KSM. */
		must_be(step, "mergeable KiB before", before->mergeable, shared || step->reference_errno ? 0 : kib);
		break;
	case FUNC_MLOCK:
		/* Huge pages are never swapped: the kernel brings them in and marks nothing. */
		must_be(step, "resident KiB", after->resident, kib);
		must_be(step, "locked KiB", after->locked, huge ? 0 : kib);
		break;
	case FUNC_MUNLOCK:
		must_be(step, "locked KiB before", before->locked, huge ? 0 : kib);
		must_be(step, "locked KiB", after->locked, 0);
		break;
	default:
		break;
	}
}

/* Null: anything. */
static const char *known_inside(const struct step *step)
{
	bool shared = is_shared(step->backing);

	if (is_refused_by_device(step))
		return "kept";
	switch (step->func_code) {
	case FUNC_DONTNEED:
		return shared ? "kept" : "zeros";
	case FUNC_REMOVE:
		return shared ? "zeros" : "kept";
	case FUNC_FREE:
		return shared ? "kept" : NULL;
	case FUNC_MPROTECT_NONE:
	case FUNC_MPROTECT_W:
		return "inaccessible";
	default:
		return strcmp(step->memory, "untouched") ? "kept" : "zeros";
	}
}

static void judge_unchanged(struct step *step)
{
	must_be(step, "resident KiB", step->after.range.resident, step->before.range.resident);
	must_be(step, "KiB in the file", step->after.range.file, step->before.range.file);
	must_be(step, "locked KiB", step->after.range.locked, step->before.range.locked);
}

void judge(struct step *step)
{
	const char *inside = known_inside(step);

	judge_answer(step);
	judge_neighbour(step, &step->before.left, &step->after.left);
	judge_neighbour(step, &step->before.right, &step->after.right);
	judge_whole(step);
	judge_attributes(step);
	if (is_refused_by_device(step)) {
		judge_unchanged(step);
	} else {
		judge_known(step);
		judge_by_reference(step);
		judge_lazy_free(step);
	}
	if (inside)
		must_be_word(step, "what the guest reads", step->inside_range, inside);
	must_be_word(step, "what the guest reads in the neighbours", step->inside_neighbours, "kept");
}
