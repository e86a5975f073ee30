// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"
#include "tap.h"

#define LINE_SIZE 512
#define KICKS 20000
#define CPUS 2
#define KICK_SECONDS 120

static bool is_vcpu(pid_t process, const char *thread)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", process, thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = 0;
	fclose(file);
	return !strncmp(name, "vcpu", 4);
}

static unsigned int find_vcpus(pid_t process, pid_t *threads)
{
	char path[64];
	DIR *tasks;
	struct dirent *entry;
	unsigned int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)) && count < CPUS) {
		if (entry->d_name[0] != '.' && is_vcpu(process, entry->d_name))
			threads[count++] = (pid_t)atoi(entry->d_name);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

/* EAGAIN: the queue of signals is full, so the thread has yet to take some. */
static bool kick(pid_t process, pid_t thread, time_t deadline)
{
	while (syscall(SYS_tgkill, process, thread, SIGRTMIN)) {
		if (errno != EAGAIN || time(NULL) > deadline) {
			tap_note("kick of thread %d: %s", thread, strerror(errno));
			return false;
		}
		sched_yield();
	}
	return true;
}

static unsigned int kick_all(pid_t process, const pid_t *threads)
{
	time_t deadline = time(NULL) + KICK_SECONDS;
	unsigned int kicks = 0;

	while (kicks < KICKS * CPUS && kick(process, threads[kicks % CPUS], deadline)) {
		kicks++;
		/* On one processor the threads would meet all kicks in one go, before they make a request. */
		sched_yield();
	}
	return kicks;
}

static unsigned long long requests_seen, right_seen;

static void add_counts(const char *line)
{
	unsigned long long requests, right;

	if (strncmp(line, "load cpu=", 9) || !line_number(line, "requests", 10, &requests) ||
	    !line_number(line, "right", 10, &right))
		return;
	requests_seen += requests;
	right_seen += right;
}

void check_kicks(const struct vmm_paths *paths)
{
	const struct vmm_run run = { .paths = paths, .backing = BACKING_PRIVATE, .cpus = CPUS, .mode = "hold" };
	pid_t threads[CPUS];
	struct vmm vmm;
	char line[LINE_SIZE];
	unsigned int kicks = 0;
	bool ended;

	vmm_start(&vmm, &run);
	if (vmm_line_after(&vmm, "load begin", line, sizeof(line), NULL) &&
	    tap_check(find_vcpus(vmm.pid, threads) == CPUS, "kicks: %d threads named vcpu", CPUS)) {
		vmm_go(&vmm);
		kicks = kick_all(vmm.pid, threads);
		vmm_go(&vmm);
	}
	ended = vmm_line_after(&vmm, "load end", line, sizeof(line), add_counts);
	if (ended)
		vmm_go(&vmm);
	else
		vmm_abandon(&vmm);
	tap_check(kicks == KICKS * CPUS, "kicks: each of %d vCPU threads kicked %d times", CPUS, kicks / CPUS);
	tap_check(ended, "kicks: the guest comes to its end");
	tap_check(requests_seen > 0 && requests_seen == right_seen, "kicks: %llu of %llu requests answered rightly", right_seen,
		  requests_seen);
	tap_check(vmm_finish(&vmm), "kicks: the VMM ends well");
}
