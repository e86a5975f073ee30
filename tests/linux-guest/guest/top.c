// SPDX-License-Identifier: GPL-2.0
/*
 * What memctl-top shows on the host after each request. The host keeps what it
 * has seen for a look at the same in a browser (host/see-pages.sh).
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#define NAME 4711

/* Its letters for memory that is there, on huge pages or not. */
#define THERE "RH"

/* Whether "512*G" or "3*R 5*H" names letters, and only those. */
static bool only(const char *runs, const char *letters)
{
	int used;
	char letter;

	do {
		if (sscanf(runs, "%*d*%c%n", &letter, &used) != 1 || !strchr(letters, letter))
			return false;
		runs += used;
	} while (*runs);
	return true;
}

/* The host page shows as one of the letters, and all names that there are as names. */
static void shows(const struct row *row, int page, const char *letters, const char *names, const char *what)
{
	const char *answer = ask_host("top %lx %lx %s %s", row->gpa + page * host_unit, host_unit, letters, names);
	char runs[256] = "", named[64] = "-";

	sscanf(answer, "%255[^;]; %63s", runs, named);
	tap_check(only(runs, letters) && !strcmp(named, names), "memctl-top shows %s as %s, names %s (%s)",
		  what, letters, names, answer);
}

static void asks(int fd, const struct row *row, int page, unsigned int code, uint64_t arg, const char *letters,
		 const char *names)
{
	int error = request(fd, code, row->gpa + page * host_unit, host_unit, arg, NULL);

	if (error)
		tap_check(false, "%s answers %d", code_name(code), error);
	shows(row, page, letters, names, code_name(code));
}

int test_top(void)
{
	bool hugetlb, shared;
	struct row row;
	char name[32];
	int fd;

	meet_host();
	hugetlb = backing >= HUGETLB_PRIVATE;
	shared = backing == SHARED || backing == HUGETLB_SHARED;
	fd = open_device(0);
	row = huge_row(hugetlb ? 8 : 1);
	fill_row(&row, 1);
	shows(&row, 1, THERE, "-", "a page that the guest has written");
	if (backing == SHARED)
		asks(fd, &row, 1, MEMCTL_DONTNEED, 0, THERE, "-");
	asks(fd, &row, 1, discard_code(), 0, ".", "-");
	fill_row(&row, 2);
	shows(&row, 1, THERE, "-", "a page that was given back and written again");

	asks(fd, &row, 2, MEMCTL_MLOCK, 0, "L", "-");
	asks(fd, &row, 2, MEMCTL_MUNLOCK, 0, THERE, "-");
	asks(fd, &row, 3, MEMCTL_MPROTECT_NONE, 0, "G", "-");
	asks(fd, &row, 3, MEMCTL_MPROTECT_R, 0, "W", "-");
	asks(fd, &row, 3, MEMCTL_MPROTECT_RW, 0, THERE, "-");
	if (!host_name_error) {
		snprintf(name, sizeof(name), "memctl-%d", NAME);
		asks(fd, &row, 4, MEMCTL_SET_VMA_ANON_NAME, NAME, "N", name);
		asks(fd, &row, 4, MEMCTL_SET_VMA_ANON_NAME, 0, THERE, "-");
	}
	asks(fd, &row, 5, MEMCTL_UNMERGEABLE, 0, "U", "-");
	asks(fd, &row, 6, MEMCTL_DONTDUMP, 0, "D", "-");
	shows(&row, 7, THERE, "-", shared ? "a page of shared memory beside them" : "a page beside them");
	free_row(&row);
	return 0;
}
