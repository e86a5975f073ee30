// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "vmm.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

/*
 * Standard input is a terminal, as Cloud Hypervisor reads from no other thing.
 * It is raw from the start, so that nothing is echoed or held back.
 */
void vmm_start(struct vmm *vmm, char **command)
{
	struct termios raw;
	int keyboard, terminal, out[2];

	memset(&raw, 0, sizeof(raw));
	cfmakeraw(&raw);
	if (openpty(&keyboard, &terminal, NULL, &raw, NULL) || pipe2(out, O_CLOEXEC)) {
		perror("a terminal or a pipe");
		exit(2);
	}
	fcntl(keyboard, F_SETFD, FD_CLOEXEC);
	vmm->pid = fork();
	if (!vmm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(terminal, 0);
		close(terminal);
		dup2(out[1], 1);
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(terminal);
	close(out[1]);
	vmm->to_guest = keyboard;
	vmm->from_guest = out[0];
}
