// SPDX-License-Identifier: Apache-2.0
/*
 * attach_thread(), the one export that must run code before and after the runtime's own. A thread's first call of a managed
 * function unblocks SIGRTMIN in it. A kick that is pending, which the VMM keeps blocked for KVM_RUN to take, is
 * delivered then, inside the library, and KVM_RUN never returns for it.
 */
#define _GNU_SOURCE
#include "memctl_plugin.h"

#include <pthread.h>
#include <signal.h>

/* The managed export: whoever calls it is known to the runtime. */
void attach_managed_thread(void);

void attach_thread(void)
{
	sigset_t before;
	sigset_t after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	attach_managed_thread();
	pthread_sigmask(SIG_SETMASK, &before, &after);
	/* Whether a kick was taken meanwhile can't be known. One too many costs a KVM_RUN that returns at once. */
	if (sigismember(&before, SIGRTMIN) && !sigismember(&after, SIGRTMIN))
		pthread_kill(pthread_self(), SIGRTMIN);
}
