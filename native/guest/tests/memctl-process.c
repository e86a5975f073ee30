// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of processes by their own addresses (MEMCTL_IOCTL_PROCESS_RANGES): what is
 * acted on, what is refused by which name, what closing the file reverts, and what
 * happens when the process forks, unmaps or exits meanwhile.
 *
 * --step prints "step NAME addr=0x... length=0x..." where the host can be looked
 * at, and waits for a line on standard input.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/capability.h>

#include "memory.h"

#define PAGE		4096UL
#define PAGES		1024UL
#define MANY		300	/* more than a list takes */

static int device;
static uint64_t discard;
static bool step;

static char *map(size_t bytes, int flags)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		tap_bail_out("mmap of %zu bytes: %s", bytes, strerror(errno));
	return memory;
}

static struct memctl_range range_of(const void *memory, size_t bytes)
{
	return (struct memctl_range){ (uintptr_t)memory, bytes };
}

static int process(int pidfd, uint64_t func_code, const void *memory, size_t bytes,
		   struct memctl_result *result)
{
	struct memctl_range range = range_of(memory, bytes);

	return memctl_process(device, pidfd, func_code, &range, 1, 0, result);
}

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

/* A range with holes, one that was never written, one split over small mappings. */
static void test_fragmented(void)
{
	char *memory = map(PAGES * PAGE, MAP_PRIVATE);
	struct memctl_range ranges[MANY];
	struct memctl_result result;
	size_t i, wrong = 0;
	int ret;

	madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
	/* Page 3 of 4 is never touched, page 2 of 4 only read. */
	for (i = 0; i < PAGES; i++) {
		if (i % 4 < 2)
			pattern_fill(memory + i * PAGE, PAGE, i);
		else if (i % 4 == 2 && !all_zero(memory, i * PAGE, (i + 1) * PAGE))
			wrong++;
	}
	munmap(memory + 512 * PAGE, 16 * PAGE);
	mprotect(memory + 600 * PAGE, PAGE, PROT_READ);
	mprotect(memory + 601 * PAGE, PAGE, PROT_NONE);

	ret = process(MEMCTL_SELF, discard, memory, 900 * PAGE, &result);
	tap_check(!ret && result.done == 1, "a range with holes: errno %d", -ret);
	mprotect(memory + 600 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);
	for (i = 0; i < PAGES; i++) {
		if (i >= 512 && i < 528)
			continue;
		wrong += i < 900 || i % 4 > 1 ?
			 !all_zero(memory + i * PAGE, 0, PAGE) :
			 !pattern_intact(memory + i * PAGE, 0, PAGE, i);
	}
	tap_check(!wrong, "it reads as zero, what lies behind it as before (%zu pages wrong)", wrong);

	for (i = 0; i < MANY; i++) {
		pattern_fill(memory + 2 * i * PAGE % (512 * PAGE), PAGE, i);
		ranges[i] = range_of(memory + 2 * i * PAGE % (512 * PAGE), PAGE);
	}
	ret = memctl_process(device, MEMCTL_SELF, discard, ranges, MANY, 0, &result);
	for (wrong = 0, i = 0; i < MANY; i++)
		wrong += !all_zero((void *)(uintptr_t)ranges[i].addr, 0, PAGE);
	tap_check(!ret && result.done == MANY && !wrong, "%u ranges, some twice: %llu carried out", MANY,
	   (unsigned long long)result.done);
	munmap(memory, PAGES * PAGE);
}

static void test_huge(void)
{
	char *memory = map_memory(2 * HUGE_PAGE);
	int ret;

	pattern_fill(memory, 2 * HUGE_PAGE, 1);
	ret = process(MEMCTL_SELF, discard, memory + HUGE_PAGE / 2, HUGE_PAGE, NULL);
	tap_check(!ret && all_zero(memory, HUGE_PAGE / 2, 3 * HUGE_PAGE / 2) &&
	   pattern_intact(memory, 0, HUGE_PAGE / 2, 1) &&
	   pattern_intact(memory, 3 * HUGE_PAGE / 2, 2 * HUGE_PAGE, 1),
	   "halves of two huge pages: errno %d", -ret);
	munmap(memory, 2 * HUGE_PAGE);
}

/* The middle one of three pages is refused; the first is done, the third is not. */
static void refused(const char *what, char *memory, uint32_t error, uint32_t code)
{
	struct memctl_range ranges[] = {
		range_of(memory, PAGE), range_of(memory + PAGE, PAGE), range_of(memory + 2 * PAGE, PAGE),
	};
	struct memctl_result result;
	int ret = memctl_process(device, MEMCTL_SELF, discard, ranges, 3, 0, &result);

	tap_check(ret == -(int)error && result.done == 1 && result.ret_errno == error &&
	   result.ret_code == code, "%s: %llu carried out, errno %u, code %#x", what,
	   (unsigned long long)result.done, result.ret_errno, result.ret_code);
	tap_check(all_zero(memory, 0, PAGE) && pattern_intact(memory + 2 * PAGE, 0, PAGE, 3) &&
	   pattern_intact(memory + PAGE, 0, PAGE, 2), "%s: keeps what it has", what);
}

static char *three_pages(int flags)
{
	char *memory = map(3 * PAGE, flags);

	for (unsigned int i = 0; i < 3; i++)
		pattern_fill(memory + i * PAGE, PAGE, i + 1);
	return memory;
}

static void place(char *memory, int flags, int fd)
{
	if (mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0) !=
	    memory + PAGE)
		tap_bail_out("mmap: %s", strerror(errno));
}

static void test_refused(void)
{
	char *memory = three_pages(MAP_PRIVATE);
	int fd, go[2], status;
	pid_t child;
	char byte;

	place(memory, MAP_SHARED | MAP_ANONYMOUS, -1);
	pattern_fill(memory + PAGE, PAGE, 2);
	refused("shared anonymous memory", memory, EACCES, MEMCTL_REFUSED_FILE);
	munmap(memory, 3 * PAGE);

	fd = open("/tmp/memctl-process", O_RDWR | O_CREAT | O_TRUNC, 0600);
	memory = three_pages(MAP_PRIVATE);
	if (fd < 0 || write(fd, memory + PAGE, PAGE) != (ssize_t)PAGE)
		tap_bail_out("a file: %s", strerror(errno));
	place(memory, MAP_PRIVATE, fd);
	/* Reading maps the page of the file; writing would give us our own. */
	if (!pattern_intact(memory + PAGE, 0, PAGE, 2))
		tap_bail_out("the file holds something else");
	refused("a file", memory, EACCES, MEMCTL_REFUSED_FILE);
	pattern_fill(memory + PAGE, PAGE, 2);
	tap_check(!process(MEMCTL_SELF, discard, memory + PAGE, PAGE, NULL) &&
	   all_zero(memory, PAGE, 2 * PAGE), "our own page of a private file mapping is ours");
	unlink("/tmp/memctl-process");
	close(fd);
	munmap(memory, 3 * PAGE);

	/* Only the middle page is shared with the child. */
	memory = three_pages(MAP_PRIVATE);
	madvise(memory, PAGE, MADV_DONTFORK);
	madvise(memory + 2 * PAGE, PAGE, MADV_DONTFORK);
	if (pipe(go))
		tap_bail_out("pipe: %s", strerror(errno));
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) || !pattern_intact(memory + PAGE, 0, PAGE, 2));
	}
	close(go[0]);
	refused("memory shared with a child", memory, EBUSY, MEMCTL_REFUSED_SHARED);
	close(go[1]);
	tap_check(waitpid(child, &status, 0) == child && !status, "the child still has it");
	pattern_fill(memory + PAGE, PAGE, 2);
	tap_check(!process(MEMCTL_SELF, discard, memory + PAGE, PAGE, NULL) &&
	   all_zero(memory, PAGE, 2 * PAGE), "it is ours when the child has gone");
	munmap(memory, 3 * PAGE);
}

/* Waits until the kernel has merged both pages, or gives up. */
static bool merged(void)
{
	static const char path[] = "/sys/kernel/mm/ksm/pages_sharing";
	time_t deadline = time(NULL) + 20;

	while (time(NULL) < deadline) {
		long sharing = 0;
		FILE *file = fopen(path, "r");

		if (file) {
			if (fscanf(file, "%ld", &sharing) != 1)
				sharing = 0;
			fclose(file);
		}
		if (sharing > 0)
			return true;
		sched_yield();
	}
	return false;
}

static bool run_ksm(const char *value)
{
	int fd = open("/sys/kernel/mm/ksm/run", O_WRONLY);
	bool done = fd >= 0 && write(fd, value, 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}

static void test_merged(void)
{
	char *memory = three_pages(MAP_PRIVATE), *equal = map(PAGE, MAP_PRIVATE);

	pattern_fill(equal, PAGE, 2);
	if (madvise(equal, PAGE, MADV_MERGEABLE) || madvise(memory + PAGE, PAGE, MADV_MERGEABLE) ||
	    !run_ksm("1") || !merged()) {
		tap_skip("merged pages", "this kernel merges none");
	} else {
		refused("a merged page", memory, EBUSY, MEMCTL_REFUSED_SHARED);
		tap_check(pattern_intact(equal, 0, PAGE, 2), "its twin keeps what it has");
	}
	run_ksm("2");
	munmap(memory, 3 * PAGE);
	munmap(equal, PAGE);
}

static int call_errno(struct memctl_process_ranges call)
{
	return ioctl(device, MEMCTL_IOCTL_PROCESS_RANGES, &call) ? errno : 0;
}

static void test_calls(void)
{
	char *memory = three_pages(MAP_PRIVATE);
	struct memctl_range range = range_of(memory, PAGE);
	const struct memctl_process_ranges good = {
		.size = sizeof(good), .pidfd = MEMCTL_SELF, .func_code = discard,
		.ranges = (uintptr_t)&range, .count = 1,
	};
	struct memctl_process_ranges call;
	struct memctl_result result;
	int null = open("/dev/null", O_RDWR), gone, status;
	pid_t child;

	tap_check(call_errno(good) == 0, "a good call");
	call = good, call.size--;
	tap_check(call_errno(call) == EINVAL, "another size is EINVAL");
	call = good, call.func_code = MEMCTL_INFO;
	tap_check(call_errno(call) == EOPNOTSUPP, "INFO is EOPNOTSUPP");
	call = good, call.func_code = MEMCTL_DONTDUMP;
	tap_check(call_errno(call) == EOPNOTSUPP, "DONTDUMP, which nothing reverts, is EOPNOTSUPP");
	call = good, call.func_code = MEMCTL_UNMERGEABLE;
	tap_check(call_errno(call) == EOPNOTSUPP, "and so is UNMERGEABLE");
	call = good, call.func_code |= MEMCTL_LIST;
	tap_check(call_errno(call) == EOPNOTSUPP, "and a function with MEMCTL_LIST");
	call = good, call.pidfd = null;
	tap_check(call_errno(call) == EBADF, "a file that is no pidfd is EBADF");
	call = good, call.pidfd = 999;
	tap_check(call_errno(call) == EBADF, "a closed file is EBADF");
	call = good, call.pidfd = -2;
	tap_check(call_errno(call) == EBADF, "a pidfd of -2 is EBADF");
	call = good, call.ranges = 8;
	tap_check(call_errno(call) == EFAULT, "ranges that are not there are EFAULT");
	tap_check(ioctl(device, MEMCTL_IOCTL_PROCESS_RANGES, NULL) && errno == EFAULT,
	   "a null pointer is EFAULT");

	child = fork();
	if (!child)
		_exit(0);
	gone = memctl_pidfd(child);
	waitpid(child, &status, 0);
	call = good, call.pidfd = gone;
	tap_check(gone >= 0 && call_errno(call) == ESRCH, "a process that has ended is ESRCH");
	close(gone);
	close(null);

	tap_check(process(MEMCTL_SELF, discard, memory + 1, PAGE, &result) == -EINVAL &&
	   result.ret_code == MEMCTL_REFUSED_RANGE, "an unaligned address is refused");
	tap_check(process(MEMCTL_SELF, discard, memory, 100, &result) == -EINVAL &&
	   result.ret_code == MEMCTL_REFUSED_RANGE, "an unaligned length is refused");
	tap_check(process(MEMCTL_SELF, discard, (void *)-PAGE, PAGE, &result) == -EINVAL &&
	   result.ret_code == MEMCTL_REFUSED_RANGE, "an address of the kernel is refused");
	range = (struct memctl_range){ (uintptr_t)memory, ~0ULL - PAGE + 1 };
	tap_check(memctl_process(device, MEMCTL_SELF, discard, &range, 1, 0, &result) == -EINVAL &&
	   result.ret_code == MEMCTL_REFUSED_RANGE, "a range that wraps is refused");
	tap_check(!process(MEMCTL_SELF, discard, memory, 0, &result) && result.done == 1,
	   "an empty range does nothing");
	tap_check(pattern_intact(memory + PAGE, 0, PAGE, 2), "nothing else was touched");
	munmap(memory, 3 * PAGE);
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

/* A child with memory of its own, which waits to be told to go on. */
struct child {
	pid_t pid;
	int pidfd;
	int go, answer;
};

/* Child: private memory at @memory, then for each byte read an answer about it. */
static struct child start_child(char *memory, size_t bytes)
{
	struct child child;
	int go[2], answer[2];
	char byte;

	if (pipe(go) || pipe(answer))
		tap_bail_out("pipe: %s", strerror(errno));
	child.pid = fork();
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		pattern_fill(memory, bytes, 5);
		byte = '.';
		while (write(answer[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
			byte = all_zero(memory, 0, bytes) ? '0' :
			       pattern_intact(memory, 0, bytes, 5) ? '5' : '?';
		_exit(0);
	}
	close(go[0]);
	close(answer[1]);
	child.go = go[1];
	child.answer = answer[0];
	child.pidfd = memctl_pidfd(child.pid);
	if (child.pidfd < 0 || read(child.answer, &byte, 1) != 1)
		tap_bail_out("no child");
	return child;
}

static char ask_child(const struct child *child)
{
	char byte = '?';

	if (write(child->go, &byte, 1) != 1 || read(child->answer, &byte, 1) != 1)
		return '!';
	return byte;
}

static void end_child(struct child *child)
{
	int status;

	close(child->go);
	waitpid(child->pid, &status, 0);
	close(child->answer);
	close(child->pidfd);
}

static void test_other(void)
{
	char *memory = map(8 * PAGE, MAP_PRIVATE);
	struct child first, second;
	struct memctl_range range = range_of(memory, 8 * PAGE);
	int fd;

	pattern_fill(memory, 8 * PAGE, 1);
	first = start_child(memory, 8 * PAGE);
	second = start_child(memory, 8 * PAGE);
	tap_check(!process(first.pidfd, discard, memory, 8 * PAGE, NULL) && ask_child(&first) == '0',
	   "memory of another process by its pidfd");
	tap_check(ask_child(&second) == '5' && pattern_intact(memory, 0, 8 * PAGE, 1),
	   "the same addresses of others are untouched");

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

#define RACE_PAGES	64UL
#define RACE_ROUNDS	400

static char *volatile race_memory;
static volatile bool race_over;

/* Unmaps and maps anew, over and over; what it maps must be empty and keep. */
static void *unmapper(void *wrong)
{
	for (uint64_t round = 1; !race_over; round++) {
		char *own = map(RACE_PAGES * PAGE, MAP_PRIVATE);

		/* Pages that the other thread's request let go of are among these. */
		pattern_fill(own, RACE_PAGES * PAGE, round);
		munmap(race_memory, RACE_PAGES * PAGE);
		if (mmap(race_memory, RACE_PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != race_memory)
			tap_bail_out("mmap: %s", strerror(errno));
		memset(race_memory, 1, RACE_PAGES * PAGE);
		*(size_t *)wrong += !pattern_intact(own, 0, RACE_PAGES * PAGE, round);
		munmap(own, RACE_PAGES * PAGE);
	}
	return NULL;
}

static void test_race(void)
{
	struct memctl_range ranges[RACE_PAGES];
	size_t wrong = 0, failed = 0;
	pthread_t thread;
	int fd = memctl_open();

	race_memory = map(RACE_PAGES * PAGE, MAP_PRIVATE);
	for (size_t i = 0; i < RACE_PAGES; i++)
		ranges[i] = range_of(race_memory + i * PAGE, PAGE);
	if (pthread_create(&thread, NULL, unmapper, &wrong))
		tap_bail_out("no thread");
	for (int i = 0; i < RACE_ROUNDS; i++) {
		struct memctl_result result;
		int ret = memctl_process(fd, MEMCTL_SELF, discard, ranges, RACE_PAGES, 0, &result);

		failed += ret != 0;
		ret = memctl_process(fd, MEMCTL_SELF, MEMCTL_MLOCK, ranges, RACE_PAGES, 0, &result);
		failed += ret && ret != -EFAULT && ret != -ENOMEM;
		memctl_process(fd, MEMCTL_SELF, MEMCTL_MUNLOCK, ranges, RACE_PAGES, 0, NULL);
		sched_yield();
	}
	race_over = true;
	pthread_join(thread, NULL);
	close(fd);
	tap_check(!failed, "requests while a thread unmaps: %zu failed", failed);
	tap_check(!wrong, "none hit what the thread mapped elsewhere: %zu did", wrong);
	munmap(race_memory, RACE_PAGES * PAGE);
}

int main(int argc, char **argv)
{
	uint64_t unit;

	step = argc == 2 && !strcmp(argv[1], "--step");
	if (argc > 1 && !step)
		tap_bail_out("usage: memctl-process [--step]");
	device = open_device(&unit);
	discard = unit == PAGE ? memctl_discard_function(device) : 0;
	if (!discard) {
		tap_skip("memory of processes", "this host frees no single page");
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	}

	test_calls();
	test_fragmented();
	test_huge();
	test_refused();
	test_merged();
	test_lasting();
	test_limit();
	test_other();
	test_exit();
	test_fork();
	test_race();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
