// SPDX-License-Identifier: Apache-2.0
/*
 * What .NET's runtime calls and some C library lacks when it is linked statically. link.sh makes these names local to the
 * archive, so that no C library's own are meant by anyone else.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int __xmknod(int version, const char *path, mode_t mode, dev_t *device);
void *__sched_cpualloc(size_t count);
void __sched_cpufree(void *set);
ssize_t process_madvise(int pidfd, const struct iovec *ranges, size_t count, int advice, unsigned int flags);

/* glibc from 2.33 on keeps it for programs that were linked before. */
int __xmknod(int version, const char *path, mode_t mode, dev_t *device)
{
	(void)version;
	return mknod(path, mode, *device);
}

/* glibc's CPU_ALLOC; musl's calls calloc itself. A set is an array of unsigned long. */
void *__sched_cpualloc(size_t count)
{
	size_t bits = 8 * sizeof(unsigned long);

	return calloc((count + bits - 1) / bits, sizeof(unsigned long));
}

void __sched_cpufree(void *set)
{
	free(set);
}

/* musl has no wrapper. */
ssize_t process_madvise(int pidfd, const struct iovec *ranges, size_t count, int advice, unsigned int flags)
{
	return syscall(SYS_process_madvise, pidfd, ranges, count, advice, flags);
}
