// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdio.h>
#include <string.h>

/* Expands "100*p 1*. 411*p" into one value for each page. */
static int expand(const char *runs, char (*values)[8])
{
	int pages = 0, count, used;
	char value[8];

	while (sscanf(runs, "%d*%7s%n", &count, value, &used) == 2) {
		while (count-- && pages < VIEW_PAGES)
			strcpy(values[pages++], value);
		runs += used;
	}
	return pages;
}

void host_view(struct view *view, uint64_t gpa, size_t length)
{
	char state[VIEW_PAGES][8];
	int pages = length / host_unit, i;

	memset(view, 0, sizeof(*view));
	view->pages = expand(ask_host("pages %lx %lx %lx", gpa, length, host_unit), state);
	for (i = 0; i < view->pages; i++)
		view->state[i] = state[i][0];
	if (view->pages != pages ||
	    expand(ask_host("attributes %lx %lx %lx", gpa, length, host_unit),
		   view->attributes) != pages)
		tap_bail_out("the host shows %d pages of %d", view->pages, pages);
}

void attributes_after(unsigned int code, const char *before, char after[8])
{
	static const char *const protections[] = { "---", "r--", "-w-", "rw-" };
	bool locked = strchr(before, 'L'), nodump = strchr(before, 'D'), mergeable = strchr(before, 'M');
	const char *protection = before;

	if (code >= MEMCTL_MPROTECT_NONE && code <= MEMCTL_MPROTECT_RW)
		protection = protections[code - MEMCTL_MPROTECT_NONE];
	else if (code == MEMCTL_DONTDUMP)
		nodump = true;
	else if (code == MEMCTL_UNMERGEABLE)
		mergeable = false;
	else if (code == MEMCTL_MLOCK && backing < HUGETLB_PRIVATE)
		locked = true;
	else if (code == MEMCTL_MUNLOCK)
		locked = false;
	snprintf(after, 8, "%.3s%c%s%s%s", protection, before[3], locked ? "L" : "",
		 nodump ? "D" : "", mergeable ? "M" : "");
}

int other_change(const struct view *before, const struct view *after, int first,
		 int count)
{
	int i;

	for (i = 0; i < before->pages; i++) {
		if (i >= first && i < first + count)
			continue;
		if (before->state[i] != after->state[i] ||
		    strcmp(before->attributes[i], after->attributes[i]))
			return i;
	}
	return -1;
}
