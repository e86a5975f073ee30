// SPDX-License-Identifier: GPL-2.0
/*
 * Every function code on one host page in the middle of others: the answer,
 * the host's view of that page, its neighbours, and all contents.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#define SAME 0	/* the host's state of the page does not change */

struct effect {
	int error;
	char state;		/* of the page on the host, see probe.h */
	int content;		/* mask of what the guest may find */
};

/* Attributes are those of attributes_after(); all else is here. */
static const struct effect effects[MEMCTL_FUNC_CODES][BACKINGS] = {
	[MEMCTL_DONTNEED] = {
		[PRIVATE] = { 0, '.', ZERO },
		[SHARED] = { 0, '.', INTACT },
		[HUGETLB_PRIVATE] = { 0, '.', ZERO },
		[HUGETLB_SHARED] = { 0, '.', INTACT },
	},
	[MEMCTL_REMOVE] = {
		[PRIVATE] = { EINVAL, SAME, INTACT },
		[SHARED] = { 0, '.', ZERO },
		[HUGETLB_PRIVATE] = { EINVAL, SAME, INTACT },
		[HUGETLB_SHARED] = { 0, '.', ZERO },
	},
	[MEMCTL_FREE] = {
		[PRIVATE] = { 0, 'l', ZERO | INTACT },
		[SHARED] = { EINVAL, SAME, INTACT },
		[HUGETLB_PRIVATE] = { EINVAL, SAME, INTACT },
		[HUGETLB_SHARED] = { EINVAL, SAME, INTACT },
	},
	/*
	 * The kernel keeps pages that it has other uses for, and does not say
	 * so. A page of shared memory that went to swap leaves no trace.
	 */
	[MEMCTL_PAGEOUT] = {
		[PRIVATE] = { 0, 's', INTACT },
		[SHARED] = { 0, '.', INTACT },
		[HUGETLB_PRIVATE] = { EINVAL, SAME, INTACT },
		[HUGETLB_SHARED] = { EINVAL, SAME, INTACT },
	},
};

static struct effect expected_effect(unsigned int code)
{
	struct effect effect = { 0, SAME, INTACT };

	if (effects[code][backing].content)
		effect = effects[code][backing];
	if (code == MEMCTL_PAGEOUT && !host_has_swap)
		effect.state = SAME;
	if (code == MEMCTL_SET_VMA_ANON_NAME)
		effect.error = host_name_error;
	return effect;
}

/* REMOVE on a private mapping of a hugetlbfs file says EACCES, not EINVAL. */
static bool right_error(unsigned int code, int expected, int error)
{
	if (code == MEMCTL_REMOVE && backing == HUGETLB_PRIVATE)
		return error == EINVAL || error == EACCES;
	return error == expected;
}

static void test_code(int fd, const struct row *row, int page, unsigned int code)
{
	struct effect effect = expected_effect(code);
	uint64_t gpa = row->gpa + page * host_unit;
	size_t offset = page * host_unit;
	static struct view before, after;
	char attributes[8] = "";
	struct memctl_buf buf;
	bool accessible;
	int error, other;

	host_view(&before, row->gpa, row->length);
	accessible = !strncmp(before.attributes[page], "rw-", 3);
	if (accessible) {
		fill_row(row, code);
		host_view(&before, row->gpa, row->length);
	}
	error = request(fd, code, gpa, host_unit, code, &buf);
	host_view(&after, row->gpa, row->length);

	tap_check(right_error(code, effect.error, error) && !buf.ret.ret_code,
		  "%s answers %d (ret_errno %d, ret_code %u)", code_name(code),
		  effect.error, error, buf.ret.ret_code);
	if (effect.state == SAME ||
	    (code == MEMCTL_PAGEOUT && after.state[page] == before.state[page]))
		effect.state = before.state[page];
	attributes_after(code, before.attributes[page], attributes);
	other = other_change(&before, &after, page, 1);
	tap_check(after.state[page] == effect.state &&
		  !strcmp(after.attributes[page], attributes) && other < 0,
		  "%s leaves the named host page '%c' %s, and no other changes ('%c' %s, %d)",
		  code_name(code), effect.state, attributes, after.state[page],
		  after.attributes[page], other);
	if (!accessible || strncmp(attributes, "rw-", 3))
		return;
	tap_check(row_content(row, offset, host_unit, code) & effect.content &&
		  row_content(row, 0, offset, code) == INTACT &&
		  row_content(row, offset + host_unit, row->length - offset - host_unit,
			      code) == INTACT,
		  "%s leaves all contents as they must be", code_name(code));
}

/*
 * The kernel keeps single pages that it has other uses for. Of all pages, and after
 * some tries, it keeps none.
 */
#define PAGEOUT_TRIES 20

static void test_pageout(int fd, const struct row *row)
{
	static struct view view;
	int tries, page, swapped = 0, error = 0;

	if (backing != PRIVATE || !host_has_swap)
		return;
	fill_row(row, MEMCTL_PAGEOUT);
	for (tries = 0; tries < PAGEOUT_TRIES && !error && swapped < view.pages / 2 + 1; tries++) {
		error = request(fd, MEMCTL_PAGEOUT, row->gpa, row->length, 0, NULL);
		host_view(&view, row->gpa, row->length);
		for (page = swapped = 0; page < view.pages; page++)
			swapped += view.state[page] == 's';
	}
	tap_check(!error && swapped > view.pages / 2,
		  "PAGEOUT sends most of %d pages to the host's swap (%d, after %d tries)",
		  view.pages, swapped, tries);
	tap_check(row_content(row, 0, row->length, MEMCTL_PAGEOUT) == INTACT, "and they come back intact");
}

static void test_info(int fd)
{
	struct memctl_buf buf;

	tap_check(!request(fd, MEMCTL_INFO, 0, 0, 0, &buf), "INFO answers");
	tap_check(!buf.info.ret_code && !buf.info.big_endian &&
		  buf.info.major_version == 1 && buf.info.minor_version == 1 &&
		  buf.info.page_size == PAGE,
		  "INFO reports version 1.1, little-endian, pages of 4096 (%u.%u, %lu)",
		  buf.info.major_version, buf.info.minor_version, buf.info.page_size);
}

static void test_name(int fd, uint64_t gpa)
{
	const char *shown = host_name_error ? "-" :
			    backing == PRIVATE ? "[anon:memctl-42]" : "[anon_shmem:memctl-42]";
	const char *name;
	int error;

	error = request(fd, MEMCTL_SET_VMA_ANON_NAME, gpa, host_unit, 42, NULL);
	tap_check(error == host_name_error, "SET_VMA_ANON_NAME 42 answers as the host kernel does, %d (%d)",
		  host_name_error, error);
	name = ask_host("name %lx", gpa);
	tap_check(!strcmp(name, shown), "the host shows the name %s (%s)", shown, name);
	request(fd, MEMCTL_SET_VMA_ANON_NAME, gpa, host_unit, 0, NULL);
	name = ask_host("name %lx", gpa);
	tap_check(!strcmp(name, "-"), "and none after name 0 (%s)", name);
}

int test_codes(void)
{
	/* DONTDUMP has no way back, so it comes last. */
	static const unsigned int order[] = {
		MEMCTL_PAGEOUT, MEMCTL_DONTNEED, MEMCTL_REMOVE, MEMCTL_FREE,
		MEMCTL_UNMERGEABLE, MEMCTL_MLOCK, MEMCTL_MUNLOCK,
		MEMCTL_MPROTECT_NONE, MEMCTL_MPROTECT_R, MEMCTL_MPROTECT_W,
		MEMCTL_MPROTECT_RW, MEMCTL_SET_VMA_ANON_NAME, MEMCTL_DONTDUMP,
	};
	int fd = open_device(0), page;
	struct row row;
	size_t i;

	meet_host();
	if (!tap_check(fd >= 0, "root opens the device (%d)", fd))
		return 1;
	row = huge_row(host_unit == PAGE ? 1 : 3);
	page = host_unit == PAGE ? 100 : 1;
	test_info(fd);
	test_pageout(fd, &row);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		test_code(fd, &row, page, order[i]);
	tap_check(row_content(&row, 0, row.length, MEMCTL_DONTDUMP) == INTACT,
		  "all contents are intact after the last code");
	test_name(fd, row.gpa);
	free_row(&row);
	return 0;
}

struct bad_range {
	const char *what;
	uint64_t gpa, length;
	int error;
};

int test_errors(void)
{
	static struct view before, after;
	int fd = open_device(0);
	unsigned int code;
	struct row row;
	size_t i;

	meet_host();
	row = huge_row(1);
	fill_row(&row, 77);
	host_view(&before, row.gpa, row.length);
	const struct bad_range ranges[] = {
		{ "an unaligned address", row.gpa + 8, PAGE, EINVAL },
		{ "an unaligned length", row.gpa, 100, EINVAL },
		{ "a length of 0 at an unaligned address", row.gpa + 1, 0, EINVAL },
		{ "an address past RAM", ram_end, PAGE, EINVAL },
		{ "a range that ends past RAM", ram_end - PAGE, 2 * PAGE, EINVAL },
		{ "a range that wraps", row.gpa, -PAGE, EINVAL },
		{ "the last page of the address space", -PAGE, PAGE, EINVAL },
		{ "a length of 0", row.gpa, 0, 0 },
	};

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		unsigned int wrong = 0;

		for (code = MEMCTL_DONTNEED; code < MEMCTL_FUNC_CODES; code++)
			wrong += request(fd, code, ranges[i].gpa, ranges[i].length,
					 0, NULL) != ranges[i].error;
		tap_check(!wrong, "every code answers %d to %s (%u did not)",
			  ranges[i].error, ranges[i].what, wrong);
	}
	tap_check(request(fd, MEMCTL_FUNC_CODES, row.gpa, PAGE, 0, NULL) == EOPNOTSUPP &&
		  request(fd, ~0ULL, row.gpa, PAGE, 0, NULL) == EOPNOTSUPP &&
		  request(fd, 1ULL << 32 | MEMCTL_DONTNEED, row.gpa, PAGE, 0, NULL) == EOPNOTSUPP,
		  "unknown codes answer EOPNOTSUPP");
	host_view(&after, row.gpa, row.length);
	tap_check(other_change(&before, &after, 0, 0) < 0 &&
		  row_content(&row, 0, row.length, 77) == INTACT,
		  "no refused request changed anything on the host or in the guest");
	free_row(&row);
	return 0;
}
