// SPDX-License-Identifier: Apache-2.0
/* The main program's symbols come before libc's for every library that it loads (linked with -rdynamic). */
#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	atomic_int skip;
	atomic_int count;
	atomic_int number;
	atomic_uint failed;
	atomic_uint calls;
} plan[HOST_CALLS];

void fail_host_call(enum host_call call, unsigned int skip, unsigned int count, int number)
{
	plan[call].failed = 0;
	plan[call].number = number;
	plan[call].count = (int)count;
	plan[call].skip = (int)skip;
}

void fail_nothing(void)
{
	for (unsigned int call = 0; call < HOST_CALLS; call++)
		plan[call].count = 0;
}

unsigned int failed_host_calls(enum host_call call)
{
	return plan[call].failed;
}

unsigned int host_calls(enum host_call call)
{
	return plan[call].calls;
}

static bool fails(enum host_call call)
{
	plan[call].calls++;
	if (plan[call].count <= 0 || plan[call].skip-- > 0 || plan[call].count-- <= 0)
		return false;
	plan[call].failed++;
	errno = plan[call].number;
	return true;
}

int madvise(void *address, size_t length, int advice)
{
	/* Advice that the device gives for itself has no answer to the guest. */
	if (advice != MADV_POPULATE_WRITE && fails(CALL_MADVISE))
		return -1;
	return (int)syscall(SYS_madvise, address, length, advice);
}

int mlock2(const void *address, size_t length, unsigned int flags)
{
	return fails(CALL_MLOCK2) ? -1 : (int)syscall(SYS_mlock2, address, length, flags);
}

int munlock(const void *address, size_t length)
{
	return fails(CALL_MUNLOCK) ? -1 : (int)syscall(SYS_munlock, address, length);
}

int mprotect(void *address, size_t length, int protection)
{
	return fails(CALL_MPROTECT) ? -1 : (int)syscall(SYS_mprotect, address, length, protection);
}

int prctl(int option, ...)
{
	unsigned long arguments[4];
	va_list list;

	va_start(list, option);
	for (unsigned int index = 0; index < 4; index++)
		arguments[index] = va_arg(list, unsigned long);
	va_end(list);
	if (option == 0x53564d41 && fails(CALL_PRCTL))
		return -1;
	return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
}
