// SPDX-License-Identifier: GPL-2.0
/* Half of one of this guest's huge pages goes back to the host. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Guest kernel and host touch a few pages of their own meanwhile. */
#define NOISE_KIB 256

/* The code that gives memory back on this backing. */
unsigned int discard_code(void)
{
	return backing == PRIVATE || backing == HUGETLB_PRIVATE ? MEMCTL_DONTNEED
								: MEMCTL_REMOVE;
}

static void check_freed(struct usage before, long kib)
{
	struct usage after = host_usage();

	tap_check(labs(before.allocated - after.allocated - kib) <= NOISE_KIB,
		  "the host has %ld KiB more (allocated %ld, then %ld)", kib,
		  before.allocated, after.allocated);
	tap_check(labs(before.resident - after.resident - kib) <= NOISE_KIB,
		  "the VMM's RSS is down by %ld KiB (%ld, then %ld)", kib,
		  before.resident, after.resident);
}

/*
 * Where the host's unit is the huge page, half of one gives nothing back; the
 * kernel may zero that half (REMOVE does) but no byte of the other.
 */
static void free_half_of_host_page(int fd)
{
	const size_t half = HUGE_PAGE / 2;
	struct row row = huge_row(1);
	struct usage before;

	fill_row(&row, 5);
	before = host_usage();
	request(fd, discard_code(), row.gpa + half, half, 0, NULL);
	tap_check(row_content(&row, 0, half, 5) == INTACT,
		  "%s of half a host huge page leaves the other half intact",
		  code_name(discard_code()));
	tap_check(row_content(&row, half, half, 5) != OTHER, "and its own intact or zero");
	check_freed(before, 0);
	tap_check(!request(fd, discard_code(), row.gpa, HUGE_PAGE, 0, NULL),
		  "%s of the whole huge page answers 0", code_name(discard_code()));
	check_freed(before, HUGE_PAGE / 1024);
	tap_check(row_content(&row, 0, HUGE_PAGE, 5) == ZERO, "it reads as zeros");
	free_row(&row);
}

/* How many pages of the row's second half are gone from the host. */
static int gone(const struct row *row, struct view *view)
{
	int page, count = 0;

	host_view(view, row->gpa, row->length);
	for (page = SMALL_PER_HUGE / 2; page < (int)SMALL_PER_HUGE; page++)
		count += view->state[page] == '.';
	return count;
}

static void free_half(int fd)
{
	static struct view before_view, view;
	struct row row = huge_row(1);
	const size_t half = HUGE_PAGE / 2;
	struct usage before;
	int freed;

	fill_row(&row, 5);
	host_view(&before_view, row.gpa, row.length);
	before = host_usage();
	tap_check(!request(fd, discard_code(), row.gpa + half, half, 0, NULL),
		  "%s of half a guest huge page answers 0", code_name(discard_code()));
	freed = gone(&row, &view);
	check_freed(before, half / 1024);
	tap_check(freed == SMALL_PER_HUGE / 2, "all %lu pages of it are gone from the host (%d)",
		  SMALL_PER_HUGE / 2, freed);
	tap_check(other_change(&before_view, &view, SMALL_PER_HUGE / 2, SMALL_PER_HUGE / 2) < 0,
		  "the other half's host pages did not change");
	tap_check(row_content(&row, 0, half, 5) == INTACT, "the other half is intact");
	tap_check(row_content(&row, half, half, 5) == ZERO, "the freed half reads as zeros");
	tap_check(guest_physical(row.pages[0].va + half) == row.gpa + half,
		  "the guest still has it as one huge page");
	fill_row(&row, 6);
	tap_check(row_content(&row, 0, row.length, 6) == INTACT, "and can fill it again");
	free_row(&row);
}

int test_huge_page(void)
{
	int fd = open_device(0);

	meet_host();
	if (host_unit == PAGE)
		free_half(fd);
	else
		free_half_of_host_page(fd);
	return 0;
}

/* Has the host's khugepaged look at all memory. False where the host does not let us. */
static bool khugepaged_looks(unsigned long max_ptes_none)
{
	const char *answer = ask_host("khugepaged %lx", max_ptes_none);

	if (!strcmp(answer, "late"))
		tap_bail_out("the host's khugepaged has not come round in time");
	return !strcmp(answer, "done");
}

/*
 * khugepaged fills what is missing of a huge page, unless the host has set that
 * it may not: docs/operations.md tells operators to.
 */
int test_khugepaged(void)
{
	static struct view view;
	const size_t half = HUGE_PAGE / 2;
	struct row row;
	int fd, pages;
	bool looked;

	meet_host();
	fd = open_device(0);
	row = huge_row(1);
	fill_row(&row, 5);
	request(fd, discard_code(), row.gpa + half, half, 0, NULL);
	if (!khugepaged_looks(0)) {
		tap_skip("what was given back stays with the host", "the host's khugepaged can't be told to look");
		return 0;
	}
	pages = gone(&row, &view);
	tap_check(pages == SMALL_PER_HUGE / 2,
		  "with max_ptes_none=0 what was given back stays with the host (%d pages)", pages);
	looked = khugepaged_looks(SMALL_PER_HUGE - 1);
	pages = gone(&row, &view);
	tap_check(looked && !pages, "with max_ptes_none=511 khugepaged takes it for the guest again (%d pages are left)",
		  pages);
	tap_check(row_content(&row, 0, half, 5) == INTACT, "the half that was kept is intact");
	tap_check(row_content(&row, half, half, 5) == ZERO, "the other reads as zeros");
	free_row(&row);
	return 0;
}
