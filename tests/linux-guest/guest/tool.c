// SPDX-License-Identifier: GPL-2.0
/* The memctl command on this process and on guest-physical ranges. */
#define _GNU_SOURCE
#include "test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[2048];

/* Runs a command, keeps what it prints in output. Returns its exit status. */
__attribute__((format(printf, 1, 2)))
static int run(const char *format, ...)
{
	char command[256];
	va_list arguments;
	size_t used;
	FILE *pipe;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	strcat(command, " 2>&1");
	pipe = popen(command, "r");
	if (!pipe)
		tap_bail_out("can't run %s", command);
	used = fread(output, 1, sizeof(output) - 1, pipe);
	output[used] = '\0';
	status = pclose(pipe);
	output[strcspn(output, "\n")] = '\0';
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool said(const char *text)
{
	return strstr(output, text) != NULL;
}

static void test_free(const struct row *row)
{
	static struct view view;
	const size_t half = HUGE_PAGE / 2;
	const char *command = discard_code() == MEMCTL_REMOVE ? "remove" : "free";
	unsigned long va = (unsigned long)row->pages[0].va;
	int page, freed = 0;

	fill_row(row, 8);
	tap_check(!run("memctl %s --json --pid %d --range 0x%lx-0x%lx", command, getpid(),
		       va + half, va + HUGE_PAGE) &&
		  said("\"bytes\":1048576,") && said("\"requests\":1,") && said("\"error\":null"),
		  "memctl %s of this process's range takes one request (%s)", command, output);
	host_view(&view, row->gpa, row->length);
	for (page = 0; page < view.pages; page++)
		freed += view.state[page] == '.' && page >= view.pages / 2;
	tap_check(freed == view.pages / 2 && view.state[view.pages / 2 - 1] == 'p',
		  "the host shows the named half gone (%d pages)", freed);
	tap_check(row_content(row, 0, half, 8) == INTACT &&
		  row_content(row, half, half, 8) == ZERO, "and the contents say the same");
}

static void test_attribute(const struct row *row, const char *command, unsigned int code)
{
	static struct view before, after;
	uint64_t gpa = row->gpa + 7 * PAGE;
	char wanted[8];

	host_view(&before, row->gpa, row->length);
	attributes_after(code, before.attributes[7], wanted);
	tap_check(!run("memctl %s --range 0x%lx+%lu", command, gpa, PAGE), "memctl %s (%s)",
		  command, output);
	host_view(&after, row->gpa, row->length);
	tap_check(!strcmp(after.attributes[7], wanted) && other_change(&before, &after, 7, 1) < 0,
		  "memctl %s makes that host page %s and no other (%s)", command, wanted,
		  after.attributes[7]);
}

int test_tool(void)
{
	struct row row;

	meet_host();
	tap_check(!run("memctl info") && said("1.1"), "memctl info (%s)", output);
	tap_check(!run("memctl info --json") && said("\"page_size\":4096"),
		  "memctl info --json (%s)", output);
	row = huge_row(1);
	test_free(&row);
	fill_row(&row, 9);
	test_attribute(&row, "lock", MEMCTL_MLOCK);
	test_attribute(&row, "unlock", MEMCTL_MUNLOCK);
	test_attribute(&row, "protect r", MEMCTL_MPROTECT_R);
	test_attribute(&row, "protect rw", MEMCTL_MPROTECT_RW);
	test_attribute(&row, "nodump", MEMCTL_DONTDUMP);
	tap_check(row_content(&row, 0, row.length, 9) == INTACT, "all of it is intact");
	tap_check(run("memctl free --range 0x%lx+%lu", ram_end, PAGE) && said("Invalid argument"),
		  "memctl says what the host refused (%s)", output);
	tap_check(run("memctl free --range 0x%lx+100", row.gpa) != 0,
		  "a range that is not of pages is refused (%s)", output);
	free_row(&row);
	return 0;
}
