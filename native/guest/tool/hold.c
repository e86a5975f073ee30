// SPDX-License-Identifier: GPL-2.0
/* Keeps what outlasts a request in force: while a command runs, or until told. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "memctl_tool.h"

#define EXIT_NOT_RUN	127

static int run_command(char **command, const sigset_t *signals)
{
	pid_t child = fork();
	int status;

	if (child < 0) {
		fprintf(stderr, "memctl: %s: %s\n", command[0], strerror(errno));
		return EXIT_NOT_RUN;
	}
	if (!child) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		execvp(command[0], command);
		fprintf(stderr, "memctl: %s: %s\n", command[0], strerror(errno));
		_exit(EXIT_NOT_RUN);
	}
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int wait_for_end(int pidfd, const sigset_t *signals)
{
	struct pollfd ends[] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN },
	};

	if (ends[1].fd < 0) {
		fprintf(stderr, "memctl: signals: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	while (poll(ends, 2, -1) < 0)
		;
	close(ends[1].fd);
	return EXIT_SUCCESS;
}

/**
 * hold_signals() - let signals that end the tool wait
 * @signals: receives which
 *
 * Before anything is in force, so that none is missed.
 */
void hold_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
	sigprocmask(SIG_BLOCK, signals, NULL);
}

/**
 * hold_job() - wait as long as a job's effect is to last
 * @job: its command runs meanwhile, if it has one
 * @pidfd: the process whose end ends it, too, if it has none
 * @signals: from hold_signals(); any of them ends it
 *
 * Return: the tool's exit status.
 */
int hold_job(const struct job *job, int pidfd, const sigset_t *signals)
{
	return job->words ? run_command(job->words, signals) : wait_for_end(pidfd, signals);
}
