// SPDX-License-Identifier: GPL-2.0
/* Carries a job out, request by request, up to the first that fails. */
#include "memctl_tool.h"

static bool request(int fd, const struct job *job, uint64_t phys, uint64_t length,
		    struct outcome *outcome)
{
	struct memctl_buf answer;
	int ret = memctl_call(fd, job->func_code, phys, length, job->arg, &answer);

	if (!ret && !answer.ret.ret_errno) {
		outcome->requests++;
		outcome->bytes += length;
		return true;
	}

	outcome->error = ret ? -ret : (int)answer.ret.ret_errno;
	outcome->ret_code = ret ? 0 : answer.ret.ret_code;
	outcome->request_failed = true;
	outcome->failed_at = phys;
	outcome->failed_length = length;
	return false;
}

static bool run_physical(int fd, const struct job *job, const struct range *range,
			 uint64_t before, uint64_t total, struct outcome *outcome)
{
	uint64_t at = range->start;

	/* One request even for no bytes: the device says whether the address is good. */
	do {
		uint64_t length = range->end - at;

		if (length > job->chunk)
			length = job->chunk;
		if (!request(fd, job, at, length, outcome))
			return false;
		at += length;
		show_progress(job, before + at - range->start, total, false);
	} while (at < range->end);
	return true;
}

static bool run_virtual(int fd, const struct job *job, const struct range *range,
			uint64_t before, uint64_t total, struct outcome *outcome)
{
	struct memctl_walk walk;
	struct memctl_run run;
	uint64_t moved;
	int ret;

	ret = memctl_walk_start(&walk, job->pid, range->start, range->end,
				job->shared ? MEMCTL_WALK_SHARED : 0, job->chunk);
	if (ret) {
		outcome->error = -ret;
		return false;
	}

	while ((ret = memctl_walk_next(&walk, &run)) > 0) {
		if (!request(fd, job, run.phys, run.length, outcome))
			break;
		ret = memctl_walk_check(&walk, &run, &moved);
		if (ret)
			break;
		outcome->moved += moved;
		show_progress(job, before + walk.next - range->start, total, false);
	}
	if (ret < 0)
		outcome->error = -ret;

	outcome->absent += walk.absent;
	outcome->shared += walk.shared;
	memctl_walk_end(&walk);
	return !outcome->error;
}

/**
 * run_job() - carry out a job
 * @fd: the device
 * @job: what to do
 * @outcome: zeroed; receives what came of it
 */
void run_job(int fd, const struct job *job, struct outcome *outcome)
{
	uint64_t total = 0, before = 0;
	bool ok = true;

	for (unsigned int i = 0; i < job->range_count; i++)
		total += job->ranges[i].end - job->ranges[i].start;

	for (unsigned int i = 0; ok && i < job->range_count; i++) {
		const struct range *range = &job->ranges[i];

		if (job->pid)
			ok = run_virtual(fd, job, range, before, total, outcome);
		else
			ok = run_physical(fd, job, range, before, total, outcome);
		before += range->end - range->start;
	}
	show_progress(job, before, total, true);
}
