// SPDX-License-Identifier: GPL-2.0
/* Carries a job out, up to the first range that fails. */
#include "memctl_tool.h"

/* Ranges that go into one call: as many as one request takes. */
struct batch {
	int fd;
	int pidfd;	/* -1 for guest-physical ranges */
	const struct job *job;
	struct outcome *outcome;
	struct memctl_range ranges[MEMCTL_LIST_RANGES];
	unsigned int count;
	uint64_t bytes;
	uint64_t looked_at;
	uint64_t total;
};

static bool flush_batch(struct batch *batch)
{
	const struct job *job = batch->job;
	struct outcome *outcome = batch->outcome;
	struct memctl_result result;
	unsigned int i;
	int ret;

	if (!batch->count)
		return true;
	if (batch->pidfd >= 0)
		ret = memctl_process(batch->fd, batch->pidfd, job->func_code, batch->ranges,
				     batch->count, job->arg, &result);
	else
		ret = memctl_request_ranges(batch->fd, job->func_code, batch->ranges,
					    batch->count, job->arg, &result);

	for (i = 0; i < result.done; i++)
		outcome->bytes += batch->ranges[i].length;
	if (ret) {
		outcome->error = -ret;
		outcome->ret_code = result.ret_code;
		outcome->request_failed = result.ret_errno != 0;
		if (result.done < batch->count) {
			outcome->failed_at = batch->ranges[result.done].addr;
			outcome->failed_length = batch->ranges[result.done].length;
		}
		return false;
	}
	outcome->requests++;
	batch->count = 0;
	batch->bytes = 0;
	show_progress(job, batch->looked_at, batch->total, false);
	return true;
}

/* Adds a range, in parts that fit; joins it to the last one where they meet. */
static bool add_range(struct batch *batch, uint64_t addr, uint64_t length)
{
	/* One even for no bytes: the device answers whether the address is good. */
	do {
		struct memctl_range *next = &batch->ranges[batch->count];
		uint64_t part = batch->job->chunk - batch->bytes;

		if (part > length)
			part = length;
		if (batch->count && next[-1].addr + next[-1].length == addr) {
			next[-1].length += part;
		} else {
			*next = (struct memctl_range){ addr, part };
			batch->count++;
		}
		batch->bytes += part;
		addr += part;
		length -= part;
		if ((batch->bytes == batch->job->chunk || batch->count == MEMCTL_LIST_RANGES) &&
		    !flush_batch(batch))
			return false;
	} while (length);
	return true;
}

/* What the process has there for itself; the rest is counted and passed over. */
static bool add_present(struct batch *batch, const struct range *range)
{
	const struct job *job = batch->job;
	struct memctl_walk walk;
	struct memctl_run run;
	bool ok = true;
	int ret;

	ret = memctl_walk_start(&walk, job->pid, range->start, range->end, 0, job->chunk);
	if (ret) {
		batch->outcome->error = -ret;
		return false;
	}

	while (ok && (ret = memctl_walk_next(&walk, &run)) > 0) {
		batch->looked_at += run.length;
		ok = add_range(batch, run.virt, run.length);
	}
	if (ok && ret < 0) {
		batch->outcome->error = -ret;
		ok = false;
	}
	batch->outcome->absent += walk.absent;
	batch->outcome->shared += walk.shared;
	memctl_walk_end(&walk);
	return ok;
}

/**
 * run_job() - carry out a job
 * @fd: the device; what outlasts a request of a process belongs to it
 * @pidfd: the process, -1 for guest-physical ranges
 * @job: what to do
 * @outcome: zeroed; receives what came of it
 */
void run_job(int fd, int pidfd, const struct job *job, struct outcome *outcome)
{
	struct batch batch = { .fd = fd, .pidfd = pidfd, .job = job, .outcome = outcome };
	bool ok = true;

	for (unsigned int i = 0; i < job->range_count; i++)
		batch.total += job->ranges[i].end - job->ranges[i].start;

	for (unsigned int i = 0; ok && i < job->range_count; i++) {
		const struct range *range = &job->ranges[i];

		if (job->pid && !job->lasts) {
			ok = add_present(&batch, range);
		} else {
			batch.looked_at += range->end - range->start;
			ok = add_range(&batch, range->start, range->end - range->start);
		}
	}
	if (ok)
		flush_batch(&batch);
	show_progress(job, batch.total, batch.total, true);
}
