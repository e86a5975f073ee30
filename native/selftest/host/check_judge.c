// SPDX-License-Identifier: Apache-2.0
/* The judge of the other tests on steps made up: what it must let pass, and what it must see. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "steps.h"
#include "tap.h"

#define KIB 32

/* A step of which nothing changes, on a range with a neighbour of the same size on each side. */
static struct step quiet_step(uint64_t func_code, enum backing backing)
{
	struct step step = { .backing = backing, .func_code = func_code, .length = KIB * 1024, .whole_range = true };
	struct view view = { .mapped = KIB, .resident = KIB, .writable = KIB, .protection = "rw-" };

	strcpy(step.memory, "filled");
	strcpy(step.inside_range, "kept");
	strcpy(step.inside_neighbours, "kept");
	step.before = (struct look){ view, view, view, view };
	step.before.whole.mapped = step.before.whole.resident = step.before.whole.writable = 3 * KIB;
	step.after = step.reference_before = step.reference_after = step.before;
	return step;
}

static struct step undumped_step(void)
{
	struct step step = quiet_step(FUNC_DONTDUMP, BACKING_PRIVATE);

	step.after.range.no_dump = step.after.whole.no_dump = KIB;
	return step;
}

static void passes(struct step step, const char *what)
{
	judge(&step);
	if (!tap_check(!step.fault[0], "judge: passes %s", what))
		tap_note("%s", step.fault);
}

static void sees(struct step step, const char *what)
{
	judge(&step);
	tap_check(step.fault[0], "judge: sees %s", what);
}

static void check_lazily_freed(void)
{
	struct step step = quiet_step(FUNC_FREE, BACKING_PRIVATE);

	step.reference_after.whole.lazy_free = KIB;
	sees(step, "a FREE that frees nothing");
	step.after.whole.lazy_free = KIB;
	passes(step, "a FREE that frees lazily as it does here");
	step = quiet_step(FUNC_DONTDUMP, BACKING_PRIVATE);
	step.after.range.no_dump = step.after.whole.no_dump = KIB;
	step.after.whole.lazy_free = KIB;
	sees(step, "another function that frees lazily");
	step.before.whole.lazy_free = 2 * KIB;
	passes(step, "lazily freed memory that the kernel takes meanwhile");
}

static void check_neighbours(void)
{
	struct step step = undumped_step();

	passes(step, "a DONTDUMP of the range alone");
	step.after.left.resident -= 4;
	step.after.whole.resident -= 4;
	sees(step, "a neighbour that loses a page");
	step.after.left.swapped += 4;
	step.after.whole.swapped += 4;
	passes(step, "a neighbour's page that the kernel swaps out meanwhile");
	step = undumped_step();
	step.after.whole.resident += 8;
	sees(step, "pages that appear elsewhere");
	step.after.whole.transparent += 2048;
	passes(step, "pages that the kernel adds to make a huge page");
}

static void check_names(void)
{
	struct step step = quiet_step(FUNC_SET_VMA_ANON_NAME, BACKING_SHARED);

	step.arg = 7;
	strcpy(step.reference_after.range.name, "[anon_shmem:" NAME_PREFIX "7]");
	sees(step, "a name that does not show");
	strcpy(step.after.range.name, "[anon_shmem:" NAME_PREFIX "7]");
	passes(step, "a name that shows as it does here");
	step = quiet_step(FUNC_SET_VMA_ANON_NAME, BACKING_PRIVATE);
	strcpy(step.after.range.name, "[anon:" NAME_PREFIX "7]");
	sees(step, "a name that stays when it is cleared");
	strcpy(step.after.range.name, "[anon:]");
	sees(step, "an empty name where there must be none");
	step = quiet_step(FUNC_SET_VMA_ANON_NAME, BACKING_HUGEPAGES);
	step.reference_errno = EBADF;
	sees(step, "success where this kernel answers EBADF");
	step.answer_errno = EBADF;
	passes(step, "the errno that this kernel answers");
}

static void check_freed(void)
{
	struct step step = quiet_step(FUNC_DONTNEED, BACKING_PRIVATE);

	strcpy(step.inside_range, "zeros");
	step.reference_after.range.resident = 0;
	sees(step, "a DONTNEED that frees nothing");
	step.after.range.resident = 0;
	step.after.whole.resident -= KIB;
	passes(step, "a DONTNEED that frees the range");
	strcpy(step.inside_range, "kept");
	sees(step, "bytes that outlive a DONTNEED");
}

void check_judge(void)
{
	check_lazily_freed();
	check_neighbours();
	check_names();
	check_freed();
}
