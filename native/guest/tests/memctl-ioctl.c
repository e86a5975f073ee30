// SPDX-License-Identifier: GPL-2.0
/*
 * The interface of /dev/memctl: who may open it, what it refuses, and answers
 * that need no memory of ours. Built for 32 bits too, to go through compat_ioctl.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include "memory.h"

#define NOBODY		65534
#define PAST_ALL_RAM	(1ULL << 51)

static uint64_t unit;

static int open_errno(int flags)
{
	int fd = open(MEMCTL_DEVICE_PATH, flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* What opening the device gives a process without privileges. */
static int unprivileged_open_errno(void)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		tap_bail_out("fork: %s", strerror(errno));
	if (!child) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(255);
		_exit(open_errno(O_RDWR));
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		tap_bail_out("the unprivileged child died");
	return WEXITSTATUS(status);
}

static int ioctl_errno(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

static void test_open(void)
{
	tap_check(open_errno(O_RDWR) == 0, "root opens the device");
	tap_check(open_errno(O_RDONLY) == 0, "read-only will do");
	tap_check(open_errno(O_RDWR | O_EXCL) == EINVAL, "O_EXCL is EINVAL");
	/* The node's mode keeps others out; the driver's own check is what is meant. */
	if (chmod(MEMCTL_DEVICE_PATH, 0666))
		tap_bail_out("chmod: %s", strerror(errno));
	tap_check(unprivileged_open_errno() == EACCES, "without CAP_SYS_ADMIN it is EACCES");
	if (chmod(MEMCTL_DEVICE_PATH, 0600))
		tap_bail_out("chmod: %s", strerror(errno));
}

static void test_commands(int fd)
{
	struct memctl_buf buf = { .call = { .func_code = MEMCTL_INFO } };
	void *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tap_check(ioctl_errno(fd, MEMCTL_IOCTL_VMM, &buf) == 0, "a request is served");
	tap_check(ioctl_errno(fd, _IOWR(MEMCTL_IOCTL_TYPE, 1, struct memctl_buf), &buf) == EINVAL,
	   "another number is EINVAL");
	tap_check(ioctl_errno(fd, _IOWR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_NR, char[31]), &buf) == EINVAL,
	   "another size is EINVAL");
	tap_check(ioctl_errno(fd, _IOR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_NR, struct memctl_buf), &buf) ==
	   EINVAL, "another direction is EINVAL");
	tap_check(ioctl_errno(fd, 0, &buf) == EINVAL, "command 0 is EINVAL");
	tap_check(ioctl_errno(fd, MEMCTL_IOCTL_VMM, NULL) == EFAULT, "a null pointer is EFAULT");
	tap_check(ioctl_errno(fd, MEMCTL_IOCTL_VMM, (void *)-4096L) == EFAULT,
	   "an address of the kernel is EFAULT");
	tap_check(read_only != MAP_FAILED && ioctl_errno(fd, MEMCTL_IOCTL_VMM, read_only) == EFAULT,
	   "an answer that can't be delivered is EFAULT");
}

static void test_info(int fd)
{
	struct memctl_buf plain, odd;

	tap_check(memctl_call(fd, MEMCTL_INFO, 0, 0, 0, &plain) == 0 && !plain.info.ret_errno &&
	   !plain.info.ret_code, "INFO succeeds");
	tap_check(plain.info.major_version == 1 && plain.info.minor_version <= 1, "version is 1.0 or 1.1");
	tap_check(plain.info.page_size >= 4096 && !(plain.info.page_size & (plain.info.page_size - 1)),
	   "page size %llu is a power of two", (unsigned long long)plain.info.page_size);
	tap_check(plain.info.big_endian == 0, "the host is little-endian");
	tap_check(memctl_call(fd, MEMCTL_INFO, 1, ~0ULL, ~0ULL, &odd) == 0 &&
	   !memcmp(&plain, &odd, sizeof(plain)), "INFO ignores the other fields");
	unit = plain.info.page_size;
}

/* One request that touches nothing, and the errno that it must be answered with. */
static void test_answer(int fd, uint64_t func_code, uint64_t addr, uint64_t length,
			uint64_t arg, uint32_t expected, const char *what)
{
	struct memctl_buf answer;
	int ret = memctl_call(fd, func_code, addr, length, arg, &answer);

	tap_check(!ret && answer.ret.ret_errno == expected,
	   "code %llu %s: expected %u, got %u (ioctl %d)", (unsigned long long)func_code, what,
	   expected, answer.ret.ret_errno, ret);
}

static void test_answers(int fd)
{
	uint64_t code;

	for (code = 1; code < MEMCTL_FUNCTIONS; code++) {
		test_answer(fd, code, unit, 0, 0, 0, "on nothing");
		test_answer(fd, code, unit + 1, unit, 0, EINVAL, "unaligned address");
		test_answer(fd, code, unit, 100, 0, EINVAL, "unaligned length");
		test_answer(fd, code, PAST_ALL_RAM, unit, 0, EINVAL, "outside RAM");
		test_answer(fd, code, unit, -unit, 0, EINVAL, "wraps to 0");
		test_answer(fd, code, -unit, 2 * unit, 0, EINVAL, "wraps past 0");
	}

	/* Codes that are errnos: an answer may have all the bytes of its request. */
	for (code = MEMCTL_FUNCTIONS; code < 200; code++)
		test_answer(fd, code, 0, 0, 0, EOPNOTSUPP, "unknown");
	test_answer(fd, 1ULL << 32, 0, 0, 0, EOPNOTSUPP, "unknown in the high half");
	test_answer(fd, (1ULL << 32) | MEMCTL_DONTNEED, 0, unit, 0, EOPNOTSUPP,
		    "known in the low half only");
	test_answer(fd, ~0ULL, ~0ULL, ~0ULL, ~0ULL, EOPNOTSUPP, "all ones");
}

int main(void)
{
	int fd;

	test_open();
	fd = memctl_open();
	if (fd < 0)
		tap_bail_out("%s: %s", MEMCTL_DEVICE_PATH, strerror(-fd));
	test_commands(fd);
	test_info(fd);
	test_answers(fd);
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
