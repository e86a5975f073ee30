// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "guest_copy.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local sigjmp_buf *volatile armed;
static _Thread_local volatile bool counted;
static struct sigaction previous[NSIG];
static struct {
	_Atomic uintptr_t start;
	_Atomic uintptr_t end;
} tolerated[GUEST_COPY_SLOTS];
static atomic_ulong trespasses;

static void on_fault(int number, siginfo_t *info, void *context)
{
	sigjmp_buf *back = armed;
	uintptr_t address = (uintptr_t)info->si_addr;

	if (back) {
		for (unsigned int slot = 0; counted && slot < GUEST_COPY_SLOTS; slot++) {
			if (address >= tolerated[slot].start && address < tolerated[slot].end)
				trespasses++;
		}
		armed = NULL;
		siglongjmp(*back, 1);
	}
	if (previous[number].sa_flags & SA_SIGINFO) {
		previous[number].sa_sigaction(number, info, context);
	} else if (previous[number].sa_handler == SIG_DFL || previous[number].sa_handler == SIG_IGN) {
		signal(number, SIG_DFL);
		raise(number);
	} else {
		previous[number].sa_handler(number);
	}
}

void guest_copy_install(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	if (sigaction(SIGSEGV, &action, &previous[SIGSEGV]) || sigaction(SIGBUS, &action, &previous[SIGBUS]))
		abort();
}

int32_t guest_copy(void *context, void *destination, const void *source, size_t length)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0))
		return EFAULT;
	counted = context != NULL;
	armed = &here;
	/* The copy may move neither before the arming nor past the disarming. */
	__asm__ volatile("" ::: "memory");
	memcpy(destination, source, length);
	__asm__ volatile("" ::: "memory");
	armed = NULL;
	return 0;
}

void guest_copy_quarantine(unsigned int slot, const void *start, size_t length)
{
	tolerated[slot].start = (uintptr_t)start;
	tolerated[slot].end = (uintptr_t)start + length;
}

void guest_copy_release(unsigned int slot)
{
	tolerated[slot].end = 0;
	tolerated[slot].start = 0;
}

unsigned long guest_copy_trespasses(void)
{
	return trespasses;
}
