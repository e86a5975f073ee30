/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMCTL_TOOL_H
#define MEMCTL_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "memctl_guest.h"

#define MEMCTL_MAX_RANGES	64

/* Bytes [start, end), guest-physical or of a process. */
struct range {
	uint64_t start;
	uint64_t end;
};

/**
 * struct job - what the command line asks for
 * @command: as typed, for messages
 * @func_code: the function to carry out on each range
 * @arg: its argument
 * @pid: process whose addresses @ranges holds; 0 for guest-physical ones
 * @ranges: what to act on
 * @range_count: number of @ranges
 * @chunk: most bytes in one request: the guest's CPU stands still meanwhile
 * @shared: act on pages that others see, too
 * @json: print one JSON object instead of text
 * @progress: tell on standard error how far it got
 */
struct job {
	const char *command;
	uint64_t func_code;
	uint64_t arg;
	pid_t pid;
	struct range ranges[MEMCTL_MAX_RANGES];
	unsigned int range_count;
	uint64_t chunk;
	bool shared;
	bool json;
	bool progress;
};

/**
 * struct outcome - what came of it
 * @requests: requests that the host carried out
 * @bytes: bytes in them
 * @absent: bytes passed over that had no page
 * @shared: bytes passed over that others see too
 * @moved: bytes whose page moved while the request was made
 * @error: what stopped it, a positive errno, or 0
 * @ret_code: the device's code where the device answered an error
 * @request_failed: the error is that of a request, the next two fields tell which
 * @failed_at: guest physical address of the request that failed
 * @failed_length: its length
 */
struct outcome {
	uint64_t requests;
	uint64_t bytes;
	uint64_t absent;
	uint64_t shared;
	uint64_t moved;
	int error;
	uint32_t ret_code;
	bool request_failed;
	uint64_t failed_at;
	uint64_t failed_length;
};

/* arguments.c */
void print_usage(void);
bool parse_arguments(int argc, char **argv, struct job *job);

/* run.c */
void run_job(int fd, const struct job *job, struct outcome *outcome);

/* report.c */
void report_info(const struct job *job, const struct memctl_vmm_info *info);
void report_outcome(const struct job *job, const struct outcome *outcome);
void show_progress(const struct job *job, uint64_t done, uint64_t total, bool last);

#endif /* MEMCTL_TOOL_H */
