// SPDX-License-Identifier: GPL-2.0
/*
 * Discards of processes' memory by their own addresses (MEMCTL_IOCTL_PROCESS_RANGES):
 * what is acted on, and what is refused by which name. What lasts is in memctl-hold.c,
 * what happens when the process unmaps meanwhile in memctl-race.c.
 */
#include <fcntl.h>
#include <sched.h>
#include <time.h>

#include "process.h"

#define PAGES		1024UL
#define MANY		300	/* more than a list takes */

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

static void test_other(void)
{
	char *memory = map(8 * PAGE, MAP_PRIVATE);
	struct child first, second;

	pattern_fill(memory, 8 * PAGE, 1);
	first = start_child(memory, 8 * PAGE);
	second = start_child(memory, 8 * PAGE);
	tap_check(!process(first.pidfd, discard, memory, 8 * PAGE, NULL) && ask_child(&first) == '0',
	   "memory of another process by its pidfd");
	tap_check(ask_child(&second) == '5' && pattern_intact(memory, 0, 8 * PAGE, 1),
	   "the same addresses of others are untouched");
	end_child(&second);
	end_child(&first);
	munmap(memory, 8 * PAGE);
}

int main(void)
{
	if (!open_for_pages("memory of processes"))
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	test_calls();
	test_fragmented();
	test_huge();
	test_refused();
	test_merged();
	test_other();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
