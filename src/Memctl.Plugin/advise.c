// SPDX-License-Identifier: Apache-2.0
/*
 * madvise(2) beside the rest of what a request runs (sections.ld), and without errno, which is thread-local: a request that has
 * found nothing in the processor's caches touches no page of the C library's.
 */
#include <stddef.h>
#include <sys/syscall.h>

#ifndef __x86_64__
#error "advise.c is written for Linux on x86-64"
#endif

/* Returns 0, or the negative of an errno. */
__attribute__((section(".text.memctl_advise"), visibility("hidden")))
long memctl_advise(void *address, size_t length, int advice)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"((long)SYS_madvise), "D"(address), "S"(length), "d"((long)advice)
			 : "rcx", "r11", "memory");
	return result;
}
