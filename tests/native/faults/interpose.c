// SPDX-License-Identifier: Apache-2.0
/*
 * The main program's symbols come before libc's for every library that it loads (linked with -rdynamic). The library makes
 * its madvise(2) itself (src/Memctl.Plugin/advise.c): the kernel hands that call back, as a signal.
 */
#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
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

static void on_madvise(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned long advice = (unsigned long)registers[REG_RDX];

	(void)signal;
	(void)info;
	/* Advice that the device gives for itself has no answer to the guest. */
	if (advice != MADV_POPULATE_WRITE && fails(CALL_MADVISE))
		registers[REG_RAX] = -plan[CALL_MADVISE].number;
	else
		registers[REG_RAX] = syscall(SYS_madvise, registers[REG_RDI], registers[REG_RSI], advice) == 0 ? 0 : -errno;
}

void interpose(void *mmio_write)
{
	uint64_t page = (uintptr_t)mmio_write & -PAGE;
	/* Calls from the page where a request's code lies (src/Memctl.Plugin/sections.ld), and no others. */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)-PAGE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)page, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(page >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	struct sigaction action = { .sa_sigaction = on_madvise, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
		perror("the library's calls can't be intercepted");
		exit(1);
	}
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
