// SPDX-License-Identifier: GPL-2.0
/*
 * What outlasts a request on a process's memory (MEMCTL_IOCTL_PROCESS_RANGES): locks,
 * protections and names belong to an open file. Who is charged for them, what closing
 * reverts, and what happens when the process forks or is killed meanwhile.
 *
 * --step prints "step NAME addr=0x... length=0x..." where the host can be looked
 * at, and waits for a line on standard input.
 */
#include <sys/resource.h>

#include <linux/capability.h>

#include "process.h"

static bool step;

static void show(const char *name, const void *memory)
{
	char line[16];

	if (!step)
		return;
	printf("step %s addr=%#llx length=%#lx\n", name,
	       (unsigned long long)physical_address(memory, PAGE), PAGE);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		tap_bail_out("standard input ended");
}

/* Kilobytes that count as locked by a process, from its status file. */
static long locked_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %ld", &kib);
	if (file)
		fclose(file);
	return kib;
}

/* Of a file of its own: whether a lasting request can be made on a page of it. */
static int lasting_errno(uint64_t func_code, const void *memory, uint64_t arg)
{
	struct memctl_range range = range_of(memory, PAGE);
	int fd = memctl_open(), ret = memctl_process(fd, MEMCTL_SELF, func_code, &range, 1, arg, NULL);

	close(fd);
	return -ret;
}

static void test_lasting(void)
{
	char *memory = map(4 * PAGE, MAP_PRIVATE);
	long before = locked_kib(getpid());
	struct memctl_result result;
	struct memctl_range range;
	int fd = memctl_open(), ret;
	bool can_lock;

	/* The VMM may have no right to lock: then all else still holds. */
	range = range_of(memory, 2 * PAGE);
	ret = memctl_process(fd, MEMCTL_SELF, MEMCTL_MLOCK, &range, 1, 0, &result);
	can_lock = !ret;
	tap_check(!ret || (ret == -ENOMEM && result.ret_code != MEMCTL_REFUSED_LIMIT), "lock: errno %d", -ret);
	tap_check(locked_kib(getpid()) == before + (can_lock ? 8 : 0), "what is locked is charged");
	if (can_lock) {
		show("locked", memory);
		tap_check(lasting_errno(MEMCTL_MLOCK, memory, 0) == EBUSY, "another file can't lock it too");
		tap_check(lasting_errno(MEMCTL_MPROTECT_R, memory, 0) == EBUSY, "nor protect it");
		tap_check(process(MEMCTL_SELF, MEMCTL_MUNLOCK, memory, 2 * PAGE, NULL) == 0 &&
		   lasting_errno(MEMCTL_MLOCK, memory, 0) == EBUSY, "nor unlock it");
		range = range_of(memory, PAGE);
		tap_check(!memctl_process(fd, MEMCTL_SELF, MEMCTL_MUNLOCK, &range, 1, 0, NULL) &&
		   locked_kib(getpid()) == before + 4, "the file itself unlocks a half");
		tap_check(!lasting_errno(MEMCTL_MLOCK, memory, 0), "which another file may lock now");
		show("unlocked", memory);
	}

	range = range_of(memory + 2 * PAGE, 2 * PAGE);
	pattern_fill(memory + 2 * PAGE, 2 * PAGE, 9);
	tap_check(!memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL),
	   "two pages are made read-only");
	show("protected", memory + 2 * PAGE);
	tap_check(pattern_intact(memory + 2 * PAGE, 0, 2 * PAGE, 9), "they can be read");
	tap_check(locked_kib(getpid()) == before + (can_lock ? 12 : 8), "and are charged, too");
	tap_check(!memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_RW, &range, 1, 0, NULL) &&
	   locked_kib(getpid()) == before + (can_lock ? 4 : 0), "they are made writable again");
	pattern_fill(memory + 2 * PAGE, 2 * PAGE, 10);
	tap_check(pattern_intact(memory + 2 * PAGE, 0, 2 * PAGE, 10), "and written");

	tap_check(memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_NONE, &range, 1, 0, &result) == -EPERM &&
	   result.ret_code == MEMCTL_REFUSED_READERS, "memory that a fork would read is not made inaccessible");
	madvise(memory + 2 * PAGE, 2 * PAGE, MADV_DONTFORK);
	madvise(memory + 2 * PAGE, 2 * PAGE, MADV_DONTDUMP);
	tap_check(!memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_NONE, &range, 1, 0, &result),
	   "with MADV_DONTFORK and MADV_DONTDUMP it is");
	show("inaccessible", memory + 2 * PAGE);
	close(fd);
	tap_check(pattern_intact(memory + 2 * PAGE, 0, 2 * PAGE, 10), "closing the file makes it accessible");
	show("reverted", memory + 2 * PAGE);
	tap_check(locked_kib(getpid()) == before, "and charges nothing any more");

	fd = memctl_open();
	range = range_of(memory, PAGE);
	ret = memctl_process(fd, MEMCTL_SELF, MEMCTL_SET_VMA_ANON_NAME, &range, 1, 42, NULL);
	tap_check(!ret || ret == -EINVAL || ret == -EBADF, "a name: errno %d", -ret);
	tap_check(locked_kib(getpid()) == before + (ret ? 0 : 4), "what failed is not held");
	close(fd);

	fd = memctl_open();
	mprotect(memory, PAGE, PROT_READ);
	tap_check(memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, &result) == -EFAULT &&
	   result.ret_code == MEMCTL_REFUSED_ABSENT, "memory that we may not write is refused");
	munmap(memory, PAGE);
	tap_check(memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, &result) == -EFAULT &&
	   result.ret_code == MEMCTL_REFUSED_ABSENT, "no memory is refused");
	close(fd);
	munmap(memory + PAGE, 3 * PAGE);
}

/* In a child, without CAP_IPC_LOCK and with a limit of four pages. */
static void limited_child(char *memory)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit = { 4 * PAGE, 4 * PAGE };
	struct memctl_range range = range_of(memory, 4 * PAGE);
	int fd = memctl_open();
	struct memctl_result result;

	if (syscall(SYS_capget, &header, data))
		_exit(1);
	data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, data) || setrlimit(RLIMIT_MEMLOCK, &limit))
		_exit(2);
	if (memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL))
		_exit(3);
	range.addr += 4 * PAGE;
	if (memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, &result) != -ENOMEM ||
	    result.ret_code != MEMCTL_REFUSED_LIMIT)
		_exit(4);
	range.addr -= 4 * PAGE;
	if (memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_RW, &range, 1, 0, NULL))
		_exit(5);
	range.addr += 4 * PAGE;
	_exit(memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL) ? 6 : 0);
}

static void test_limit(void)
{
	char *memory = map(8 * PAGE, MAP_PRIVATE);
	pid_t child = fork();
	int status;

	if (!child)
		limited_child(memory);
	waitpid(child, &status, 0);
	tap_check(!status, "RLIMIT_MEMLOCK bounds what a file holds (step %d)", WEXITSTATUS(status));
	munmap(memory, 8 * PAGE);
}

static void test_other(void)
{
	char *memory = map(8 * PAGE, MAP_PRIVATE);
	struct child first, second;
	struct memctl_range range = range_of(memory, 8 * PAGE);
	int fd;

	first = start_child(memory, 8 * PAGE);
	second = start_child(memory, 8 * PAGE);
	fd = memctl_open();
	tap_check(!memctl_process(fd, second.pidfd, MEMCTL_MPROTECT_R, &range, 1, 0, NULL) &&
	   locked_kib(second.pid) == 32, "another process's memory is protected, and it charged");
	tap_check(memctl_process(fd, first.pidfd, MEMCTL_MPROTECT_R, &range, 1, 0, NULL) == -EBUSY,
	   "the same file holds nothing of a third");
	tap_check(ask_child(&second) == '5', "the process can read it");
	end_child(&second);
	/* The process has gone, its pages are pinned: closing lets go of them. */
	close(fd);
	end_child(&first);
	munmap(memory, 8 * PAGE);
}

/*
 * A child is killed that holds most of free memory protected; its pages must all be
 * writable for the next one.
 */
static void test_exit(void)
{
	size_t bytes = 32 << 20;
	char byte;
	int round, wrong = 0, status, ready[2];

	for (round = 0; round < 3; round++) {
		pid_t child;

		if (pipe(ready))
			tap_bail_out("pipe: %s", strerror(errno));
		child = fork();
		if (!child) {
			char *memory = map(bytes, MAP_PRIVATE);
			int fd = memctl_open();
			struct memctl_range range = range_of(memory, bytes);

			madvise(memory, bytes, MADV_DONTFORK);
			madvise(memory, bytes, MADV_DONTDUMP);
			/* Killed in the middle of the second, or behind it. */
			if (!memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL) &&
			    write(ready[1], "1", 1) == 1)
				memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_NONE, &range, 1, 0, NULL);
			pause();
		}
		close(ready[1]);
		wrong += read(ready[0], &byte, 1) != 1;
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		close(ready[0]);
	}
	tap_check(!wrong, "a process holds 32 MiB protected and is killed, three times");
	{
		size_t all = 8 * bytes;
		char *memory = map(all, MAP_PRIVATE);

		/* A page that is still protected would end the guest here. */
		pattern_fill(memory, all, 3);
		tap_check(pattern_intact(memory, 0, all, 3), "its pages serve others");
		munmap(memory, all);
	}
}

static void test_fork(void)
{
	char *memory = map(4 * PAGE, MAP_PRIVATE);
	struct memctl_range range = range_of(memory, 4 * PAGE);
	int fd = memctl_open(), status;
	pid_t child;

	pattern_fill(memory, 4 * PAGE, 4);
	if (memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL))
		tap_bail_out("can't protect");
	child = fork();
	if (!child) {
		bool right = pattern_intact(memory, 0, 4 * PAGE, 4);

		/* Pinned pages are not shared: the child has its own, and may write. */
		pattern_fill(memory, 4 * PAGE, 5);
		right &= pattern_intact(memory, 0, 4 * PAGE, 5);
		right &= memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_R, &range, 1, 0, NULL) == -EBUSY;
		right &= !memctl_process(fd, MEMCTL_SELF, MEMCTL_MPROTECT_RW, &range, 1, 0, NULL);
		close(fd);
		_exit(!right);
	}
	waitpid(child, &status, 0);
	tap_check(!status, "a child has its own memory, and no hold of ours by the same file");
	tap_check(lasting_errno(MEMCTL_MPROTECT_R, memory, 0) == EBUSY, "the hold outlasts the child");
	close(fd);
	pattern_fill(memory, 4 * PAGE, 6);
	tap_check(pattern_intact(memory, 0, 4 * PAGE, 6), "and ends with our close");
	munmap(memory, 4 * PAGE);
}

int main(int argc, char **argv)
{
	step = argc == 2 && !strcmp(argv[1], "--step");
	if (argc > 1 && !step)
		tap_bail_out("usage: memctl-hold [--step]");
	if (!open_for_pages("what lasts on memory of processes"))
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	test_lasting();
	test_limit();
	test_other();
	test_exit();
	test_fork();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
