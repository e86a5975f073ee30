/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of MEMCTL_IOCTL_PROCESS_RANGES share: memory, calls, and a child. */
#ifndef MEMCTL_TEST_PROCESS_H
#define MEMCTL_TEST_PROCESS_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "memory.h"

#define PAGE		4096UL

static int device;
static uint64_t discard;

__attribute__((unused))
static char *map(size_t bytes, int flags)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		tap_bail_out("mmap of %zu bytes: %s", bytes, strerror(errno));
	return memory;
}

__attribute__((unused))
static struct memctl_range range_of(const void *memory, size_t bytes)
{
	return (struct memctl_range){ (uintptr_t)memory, bytes };
}

__attribute__((unused))
static int process(int pidfd, uint64_t func_code, const void *memory, size_t bytes,
		   struct memctl_result *result)
{
	struct memctl_range range = range_of(memory, bytes);

	return memctl_process(device, pidfd, func_code, &range, 1, 0, result);
}

/* Each filled with a pattern of its own: 1, 2, 3. */
__attribute__((unused))
static char *three_pages(int flags)
{
	char *memory = map(3 * PAGE, flags);

	for (unsigned int i = 0; i < 3; i++)
		pattern_fill(memory + i * PAGE, PAGE, i + 1);
	return memory;
}

/* A child with memory of its own, which waits to be told to go on. */
struct child {
	pid_t pid;
	int pidfd;
	int go, answer;
};

/* Child: private memory at @memory, then for each byte read an answer about it. */
__attribute__((unused))
static struct child start_child(char *memory, size_t bytes)
{
	struct child child;
	int go[2], answer[2];
	char byte;

	if (pipe(go) || pipe(answer))
		tap_bail_out("pipe: %s", strerror(errno));
	child.pid = fork();
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		pattern_fill(memory, bytes, 5);
		byte = '.';
		while (write(answer[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
			byte = all_zero(memory, 0, bytes) ? '0' :
			       pattern_intact(memory, 0, bytes, 5) ? '5' : '?';
		_exit(0);
	}
	close(go[0]);
	close(answer[1]);
	child.go = go[1];
	child.answer = answer[0];
	child.pidfd = memctl_pidfd(child.pid);
	if (child.pidfd < 0 || read(child.answer, &byte, 1) != 1)
		tap_bail_out("no child");
	return child;
}

__attribute__((unused))
static char ask_child(const struct child *child)
{
	char byte = '?';

	if (write(child->go, &byte, 1) != 1 || read(child->answer, &byte, 1) != 1)
		return '!';
	return byte;
}

__attribute__((unused))
static void end_child(struct child *child)
{
	int status;

	close(child->go);
	waitpid(child->pid, &status, 0);
	close(child->answer);
	close(child->pidfd);
}

/* The device, and what frees a single page there. False, with the plan printed, if nothing does. */
__attribute__((unused))
static bool open_for_pages(const char *what)
{
	uint64_t unit;

	device = open_device(&unit);
	discard = unit == PAGE ? memctl_discard_function(device) : 0;
	if (!discard)
		tap_skip(what, "this host frees no single page");
	return discard;
}

#endif /* MEMCTL_TEST_PROCESS_H */
