/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMCTL_TOOL_H
#define MEMCTL_TOOL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "memctl_guest.h"
#include "memctl_walk.h"

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
 * @lasts: @pid's memory is held until the job ends
 * @words: NULL, or the command that runs meanwhile
 * @chunk: maximum of bytes in one request: the guest's CPU stands still meanwhile
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
	bool lasts;
	char **words;
	uint64_t chunk;
	bool json;
	bool progress;
};

/**
 * struct outcome - what came of it
 * @requests: requests that were carried out, of up to 256 ranges each
 * @bytes: bytes in them
 * @absent: bytes passed over that had no page
 * @shared: bytes passed over that others see too
 * @error: what stopped it, a positive errno, or 0
 * @ret_code: the device's code, or the driver's, where they refused a range
 * @request_failed: the error is that of a range, the next two fields say which
 * @failed_at: its address, guest-physical or of the process
 * @failed_length: its length
 */
struct outcome {
	uint64_t requests;
	uint64_t bytes;
	uint64_t absent;
	uint64_t shared;
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
void run_job(int fd, int pidfd, const struct job *job, struct outcome *outcome);

/* hold.c */
void hold_signals(sigset_t *signals);
int hold_job(const struct job *job, int pidfd, const sigset_t *signals);

/* report.c */
void report_info(const struct job *job, const struct memctl_vmm_info *info);
void report_outcome(const struct job *job, const struct outcome *outcome);
void show_progress(const struct job *job, uint64_t done, uint64_t total, bool last);

#endif /* MEMCTL_TOOL_H */
