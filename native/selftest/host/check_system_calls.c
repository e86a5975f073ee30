// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checks.h"
#include "tap.h"

#define LINE_SIZE 512
#define REQUESTS 10000
#define THREADS_MAX 64
/* MUNLOCK of 13 pages stands before and behind the load. */
#define MARKER ", 53248"

struct threads {
	long ids[THREADS_MAX];
	unsigned int count;
};

static bool is_among(const struct threads *threads, long id)
{
	for (unsigned int i = 0; i < threads->count; i++) {
		if (threads->ids[i] == id)
			return true;
	}
	return false;
}

/* "1234 ioctl(15, KVM_RUN, 0) = 0": the thread and where the call starts; null for what is no start of a call. */
static const char *parse_call(const char *line, long *thread)
{
	char *call;

	*thread = strtol(line, &call, 10);
	while (*call == ' ')
		call++;
	return *call >= 'a' && *call <= 'z' ? call : NULL;
}

static bool is_kvm_run(const char *call)
{
	return !strncmp(call, "ioctl(", 6) && strstr(call, ", KVM_RUN");
}

static bool is_marker(const char *call)
{
	return !strncmp(call, "munlock(", 8) && strstr(call, MARKER);
}

/* What a DONTNEED request of one page asks for. */
static bool is_asked_for(const char *call)
{
	return !strncmp(call, "madvise(", 8) && strstr(call, ", 4096, MADV_DONTNEED");
}

static void find_vcpus(FILE *trace, struct threads *threads)
{
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), trace)) {
		long thread;
		const char *call = parse_call(line, &thread);

		if (call && is_kvm_run(call) && !is_among(threads, thread) && threads->count < THREADS_MAX)
			threads->ids[threads->count++] = thread;
	}
	rewind(trace);
}

struct tally {
	unsigned int markers;
	unsigned int runs;
	unsigned int asked_for;
	unsigned int others;
};

static struct tally count_calls(FILE *trace, const struct threads *threads)
{
	struct tally tally = { 0 };
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), trace)) {
		long thread;
		const char *call = parse_call(line, &thread);

		if (!call || !is_among(threads, thread))
			continue;
		if (is_marker(call)) {
			tally.markers++;
		} else if (tally.markers == 1) {
			tally.runs += is_kvm_run(call);
			tally.asked_for += is_asked_for(call);
			if (!is_kvm_run(call) && !is_asked_for(call) && tally.others++ < 10)
				tap_note("unasked for: %.*s", (int)strcspn(line, "\n"), line);
		}
	}
	return tally;
}

static bool run_traced(const struct vmm_run *run)
{
	struct vmm vmm;
	char line[LINE_SIZE];
	bool right;

	vmm_start(&vmm, run);
	right = vmm_line_after(&vmm, "load begin", line, sizeof(line), NULL);
	if (right)
		vmm_go(&vmm);
	right = right && vmm_line_after(&vmm, "load end", line, sizeof(line), NULL);
	if (right)
		vmm_go(&vmm);
	else
		vmm_abandon(&vmm);
	return vmm_finish(&vmm) && right;
}

void check_system_calls(const struct vmm_paths *paths, unsigned int cpus)
{
	char mode[64], description[96];
	struct vmm_run run = { .paths = paths, .backing = BACKING_PRIVATE, .cpus = cpus, .mode = mode };
	struct threads threads = { .count = 0 };
	struct tally tally;
	FILE *trace;

	snprintf(description, sizeof(description), "system calls, %u vCPUs", cpus);
	if (access("/usr/bin/strace", X_OK)) {
		tap_skip(description, "strace is not installed");
		return;
	}
	run.trace = memfd_create("system-calls", MFD_CLOEXEC);
	trace = fdopen(run.trace, "r");
	if (!trace) {
		tap_check(false, "%s: a file for the trace", description);
		return;
	}
	snprintf(mode, sizeof(mode), "load requests=%u", REQUESTS / cpus);
	tap_check(run_traced(&run), "%s: the guest makes %u requests under strace", description, REQUESTS);
	find_vcpus(trace, &threads);
	tally = count_calls(trace, &threads);
	fclose(trace);
	tap_check(threads.count == cpus, "%s: %u threads run a vCPU", description, threads.count);
	tap_check(tally.markers == 2, "%s: begin and end of the load are in the trace", description);
	tap_check(tally.runs >= REQUESTS, "%s: %u times KVM_RUN", description, tally.runs);
	tap_check(tally.asked_for == REQUESTS / 2, "%s: %u times the madvise that a request asked for", description,
		  tally.asked_for);
	tap_check(!tally.others, "%s: %u others by vCPU threads", description, tally.others);
}
