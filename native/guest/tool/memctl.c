// SPDX-License-Identifier: GPL-2.0
/* memctl: act on the host mapping behind this guest's memory. See memctl(8). */
#include <stdio.h>
#include <stdlib.h>

#include "memctl_tool.h"

#define EXIT_USAGE	2

static int show_info(int fd, const struct job *job)
{
	struct memctl_vmm_info info;
	int ret = memctl_info(fd, &info);

	if (ret) {
		fprintf(stderr, "memctl: info: %s\n", strerror(-ret));
		return EXIT_FAILURE;
	}
	report_info(job, &info);
	return EXIT_SUCCESS;
}

static int carry_out(int fd, const struct job *job)
{
	struct outcome outcome = { 0 };
	int pidfd = job->pid ? memctl_pidfd(job->pid) : -1, status;
	sigset_t signals;

	if (job->pid && pidfd < 0) {
		fprintf(stderr, "memctl: %s: process %d: %s\n", job->command, (int)job->pid,
			strerror(-pidfd));
		return EXIT_FAILURE;
	}
	if (job->lasts)
		hold_signals(&signals);
	run_job(fd, pidfd, job, &outcome);
	report_outcome(job, &outcome);

	status = outcome.error ? EXIT_FAILURE : EXIT_SUCCESS;
	/* Whoever waits for the line wants to know now. */
	if (job->lasts && !status && !fflush(stdout))
		status = hold_job(job, pidfd, &signals);
	if (pidfd >= 0)
		close(pidfd);
	return status;
}

int main(int argc, char **argv)
{
	struct job job;
	int fd, status;

	if (!parse_arguments(argc, argv, &job)) {
		print_usage();
		return EXIT_USAGE;
	}

	fd = memctl_open();
	if (fd < 0) {
		fprintf(stderr, "memctl: %s: %s%s\n", MEMCTL_DEVICE_PATH, strerror(-fd),
			fd == -ENOENT ? " (is the memctl driver loaded, and is there a device?)" :
			fd == -EACCES ? " (CAP_SYS_ADMIN is needed)" : "");
		return EXIT_FAILURE;
	}

	if (job.func_code == MEMCTL_INFO)
		status = show_info(fd, &job);
	else
		status = carry_out(fd, &job);

	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "memctl: can't write the result: %s\n", strerror(errno));
		status = EXIT_FAILURE;
	}
	close(fd);
	return status;
}
