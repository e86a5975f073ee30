/* SPDX-License-Identifier: GPL-2.0 */
/* A VMM as a child, with its guest's console in our hands. */
#ifndef VMM_H
#define VMM_H

#include <sys/types.h>

struct vmm {
	pid_t pid;
	int to_guest, from_guest;	/* the console: keyboard, and what the guest prints */
};

/* Starts it; it dies with this process. Exits with 2 where there is no terminal. */
void vmm_start(struct vmm *vmm, char **command);

#endif
