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
		fail("the host shows %d pages of %d", view->pages, pages);
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
