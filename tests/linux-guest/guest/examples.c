// SPDX-License-Identifier: GPL-2.0
/* The example modules, with the host's view of the memory that they name. */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_BYTES (1 << 20)
#define SYSLOG_READ_ALL 3

static bool load(const char *name)
{
	char path[64];
	long error = -1;
	int fd;

	snprintf(path, sizeof(path), "/lib/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		error = syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	return !error;
}

static bool unload(const char *name)
{
	return !syscall(SYS_delete_module, name, 0);
}

/* The last line of the kernel's log with this text, from the text on. */
static const char *logged(const char *text)
{
	static char *log;
	char *found = NULL, *next;
	int used;

	if (!log)
		log = malloc(LOG_BYTES);
	used = klogctl(SYSLOG_READ_ALL, log, LOG_BYTES - 1);
	log[used < 0 ? 0 : used] = '\0';
	for (next = log; (next = strstr(next, text)); next++)
		found = next;
	if (found)
		found[strcspn(found, "\n")] = '\0';
	return found ? found : "";
}

static void test_split(void)
{
	static struct view view;
	uint64_t gpa = 0;
	int page, gone = 0, kept = 0;

	tap_check(load("memctl_split"), "memctl_split loads");
	if (!tap_check(sscanf(logged("memctl_split: freed"), "memctl_split: freed 1 MiB at %lx", &gpa) == 1,
		       "memctl_split frees half of its huge page"))
		return;
	host_view(&view, gpa - HUGE_PAGE / 2, HUGE_PAGE);
	for (page = 0; page < view.pages / 2; page++) {
		kept += view.state[page] == 'p';
		gone += view.state[view.pages / 2 + page] == '.';
	}
	tap_check(gone == view.pages / 2 && kept == view.pages / 2,
		  "the host shows that half gone and the other kept (%d, %d pages)", gone, kept);
	tap_check(unload("memctl_split") && *logged("memctl_split: still intact"),
		  "memctl_split finds the other half intact when it goes");
}

static void test_guard(void)
{
	static struct view closed, opened;
	uint64_t gpa = 0;

	tap_check(load("memctl_guard"), "memctl_guard loads");
	if (!tap_check(sscanf(logged("memctl_guard: 4096"), "memctl_guard: 4096 bytes closed at %lx", &gpa) == 1,
		       "memctl_guard closes a page in its huge page"))
		return;
	host_view(&closed, gpa - HUGE_PAGE / 2, HUGE_PAGE);
	tap_check(unload("memctl_guard") && *logged("memctl_guard: opened, all intact"),
		  "memctl_guard opens it and finds all intact");
	host_view(&opened, gpa - HUGE_PAGE / 2, HUGE_PAGE);
	tap_check(!strncmp(closed.attributes[SMALL_PER_HUGE / 2], "---", 3) &&
		  !strncmp(opened.attributes[SMALL_PER_HUGE / 2], "rw-", 3),
		  "the host shows the page closed, then open (%s, %s)",
		  closed.attributes[SMALL_PER_HUGE / 2], opened.attributes[SMALL_PER_HUGE / 2]);
	tap_check(other_change(&closed, &opened, SMALL_PER_HUGE / 2, 1) < 0,
		  "and no neighbour changed");
}

int test_examples(void)
{
	meet_host();
	test_split();
	test_guard();
	return 0;
}
