// SPDX-License-Identifier: GPL-2.0
/* What the user sees: progress, results as text or JSON, errors with a hint. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "memctl_tool.h"

/* Enough to see it move, too little to slow it down. */
#define PROGRESS_INTERVAL_MS	100

/* The device's own errors: ret_code of an answer. */
static const char * const device_errors[] = {
	NULL,
	"the device has no such function",
	"address or length is no multiple of the host's page",
	"the range is not wholly guest memory",
	"the host's policy denies this function",
	"the host has this guest's memory pinned for a device",
	"the range holds the driver's own request buffer",
	"the guest's budget of locked memory is spent",
	"the guest's budget of mappings is spent",
	"the device could not read the request",
	"the list of ranges is not aligned, or too long",
	"the guest's budget of memory to page out in a second is spent",
};

/* The driver's own: MEMCTL_REFUSED_*. */
static const char * const refusals[] = {
	"the range is no memory of a process, or is not in units of the page",
	"the memory is a file's, or shared by mapping it so",
	"the memory is shared with a forked process, or merged with equal memory",
	"there is no memory that the process may write",
	"another program holds this memory",
	"more than RLIMIT_MEMLOCK allows",
	"the kernel may read it for a fork or a core dump: the process must have called "
	"madvise() with MADV_DONTFORK and MADV_DONTDUMP",
};

static const char *device_error(uint32_t ret_code)
{
	uint32_t refusal = ret_code - MEMCTL_REFUSED_RANGE;

	if (refusal < sizeof(refusals) / sizeof(refusals[0]))
		return refusals[refusal];
	if (ret_code < sizeof(device_errors) / sizeof(device_errors[0]))
		return device_errors[ret_code];
	return "the device gave a code that this version does not know";
}

/* What may be the matter where the host's kernel, not the device, said no. */
static const char *host_hint(const struct job *job, const struct outcome *outcome)
{
	if (outcome->ret_code || !outcome->request_failed)
		return NULL;
	if (job->func_code == MEMCTL_SET_VMA_ANON_NAME && outcome->error == EBADF)
		return "the host has this memory shared; only private memory has names";
	if (outcome->error != EINVAL)
		return NULL;

	switch (job->func_code) {
	case MEMCTL_REMOVE:
		return "the host has this memory private; free gives it back there";
	case MEMCTL_FREE:
		return "the host has this memory shared; remove gives it back there";
	case MEMCTL_SET_VMA_ANON_NAME:
		return "the host's kernel may have no names for memory";
	default:
		return NULL;
	}
}

static const char *explanation(const struct job *job, const struct outcome *outcome)
{
	const char *text = device_error(outcome->ret_code);

	return text ? text : host_hint(job, outcome);
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

void report_info(const struct job *job, const struct memctl_vmm_info *info)
{
	const char *format = job->json ?
		"{\"major_version\":%" PRIu32 ",\"minor_version\":%" PRIu32
		",\"page_size\":%" PRIu64 ",\"big_endian\":%s}\n" :
		"protocol version   %" PRIu32 ".%" PRIu32 "\n"
		"host page size     %" PRIu64 "\n"
		"host big-endian    %s\n";

	printf(format, info->major_version, info->minor_version, info->page_size,
	       boolean(info->big_endian));
}

static void print_json(const struct job *job, const struct outcome *outcome)
{
	const char *text = explanation(job, outcome);

	printf("{\"command\":\"%s\",\"function\":\"%s\",\"pid\":", job->command,
	       memctl_function_name(job->func_code));
	if (job->pid)
		printf("%d", (int)job->pid);
	else
		printf("null");
	printf(",\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"absent_bytes\":%" PRIu64
	       ",\"shared_bytes\":%" PRIu64 ",\"error\":",
	       outcome->requests, outcome->bytes, outcome->absent, outcome->shared);
	if (!outcome->error) {
		printf("null}\n");
		return;
	}

	printf("{\"errno\":%d,\"message\":\"%s\",\"ret_code\":%" PRIu32, outcome->error,
	       strerror(outcome->error), outcome->ret_code);
	if (outcome->request_failed)
		printf(",\"addr\":%" PRIu64 ",\"length\":%" PRIu64, outcome->failed_at,
		       outcome->failed_length);
	if (text)
		printf(",\"explanation\":\"%s\"", text);
	printf("}}\n");
}

static void print_text(const struct job *job, const struct outcome *outcome)
{
	printf("%s: %" PRIu64 " KiB in %" PRIu64 " request%s\n", job->command,
	       outcome->bytes >> 10, outcome->requests, outcome->requests == 1 ? "" : "s");
	if (outcome->absent)
		printf("passed over: %" PRIu64 " KiB without a page\n", outcome->absent >> 10);
	if (outcome->shared)
		printf("passed over: %" PRIu64 " KiB that others see too\n",
		       outcome->shared >> 10);
}

static void print_error(const struct job *job, const struct outcome *outcome)
{
	const char *text = explanation(job, outcome);

	fprintf(stderr, "memctl: %s", job->command);
	if (outcome->request_failed)
		fprintf(stderr, " at %s %#" PRIx64 "+%#" PRIx64,
			job->pid ? "address" : "guest-physical", outcome->failed_at,
			outcome->failed_length);
	else if (job->pid)
		fprintf(stderr, ": process %d", (int)job->pid);
	fprintf(stderr, ": %s%s%s%s\n", strerror(outcome->error), text ? " (" : "",
		text ? text : "", text ? ")" : "");
}

/**
 * report_outcome() - print what came of a job: results to standard output,
 * errors to standard error
 */
void report_outcome(const struct job *job, const struct outcome *outcome)
{
	if (job->json)
		print_json(job, outcome);
	else
		print_text(job, outcome);

	if (outcome->error)
		print_error(job, outcome);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/**
 * show_progress() - tell how far a job got, if it takes long enough to matter
 * @done: bytes looked at
 * @total: bytes to look at
 * @last: there is no more to come: end the line
 */
void show_progress(const struct job *job, uint64_t done, uint64_t total, bool last)
{
	static uint64_t shown_at;
	static bool started, shown;
	uint64_t now;

	if (!job->progress)
		return;

	now = now_ms();
	if (!started) {
		started = true;
		shown_at = now;
	}
	if (now - shown_at >= PROGRESS_INTERVAL_MS) {
		fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " MiB", job->command,
			done >> 20, total >> 20);
		shown_at = now;
		shown = true;
	}
	if (last && shown)
		fputc('\n', stderr);
}
