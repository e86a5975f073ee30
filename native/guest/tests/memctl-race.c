// SPDX-License-Identifier: GPL-2.0
/*
 * A process that unmaps memory while the driver asks the host about it
 * (MEMCTL_IOCTL_PROCESS_RANGES): no request hits what the frames are next.
 */
#include <pthread.h>
#include <sched.h>

#include <linux/userfaultfd.h>

#include "process.h"

#define HELD_PAGES	512UL

struct call {
	const struct memctl_range *ranges;
	struct memctl_result result;
	int ret;
};

static void *make_call(void *argument)
{
	struct call *call = argument;

	call->ret = memctl_process(device, MEMCTL_SELF, discard, call->ranges, 2, 0, &call->result);
	return NULL;
}

/* A page that is missing until its content is given: whoever touches it waits. */
static int missing_page(char *page)
{
	struct uffdio_register area = {
		.range = { (uintptr_t)page, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area))) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * The driver has taken the first range in and waits for the second, which is on a
 * missing page. Meanwhile what the first one names is unmapped, and its frames would
 * be another mapping's if the driver did not hold them.
 */
static void test_held_meanwhile(void)
{
	char *memory = map(HELD_PAGES * PAGE, MAP_PRIVATE), *list = map(2 * PAGE, MAP_PRIVATE), *own;
	struct memctl_range *ranges = (struct memctl_range *)(list + PAGE) - 1;
	struct memctl_range *second = (struct memctl_range *)map(PAGE, MAP_PRIVATE);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)list + PAGE, .src = (uintptr_t)second, .len = PAGE,
	};
	struct call call = { .ranges = ranges };
	int fd = missing_page(list + PAGE);
	struct uffd_msg fault;
	pthread_t thread;

	if (fd < 0) {
		tap_skip("pages are held while the request is gathered", "this kernel has no userfaultfd");
		return;
	}
	pattern_fill(memory, HELD_PAGES * PAGE, 1);
	ranges[0] = range_of(memory, HELD_PAGES * PAGE);
	second[0] = range_of(memory, 0);
	if (pthread_create(&thread, NULL, make_call, &call) || read(fd, &fault, sizeof(fault)) != sizeof(fault))
		tap_bail_out("the driver does not read the second range");
	munmap(memory, HELD_PAGES * PAGE);
	own = map(4 * HELD_PAGES * PAGE, MAP_PRIVATE);
	pattern_fill(own, 4 * HELD_PAGES * PAGE, 2);
	if (ioctl(fd, UFFDIO_COPY, &copy))
		tap_bail_out("UFFDIO_COPY: %s", strerror(errno));
	pthread_join(thread, NULL);
	tap_check(!call.ret && call.result.done == 2, "memory is unmapped while it is gathered: errno %d", -call.ret);
	tap_check(pattern_intact(own, 0, 4 * HELD_PAGES * PAGE, 2), "its frames were nobody else's yet");
	munmap(own, 4 * HELD_PAGES * PAGE);
	munmap(list, 2 * PAGE);
	munmap(second, PAGE);
	close(fd);
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

int main(void)
{
	if (open_for_pages("memory that is unmapped meanwhile")) {
		test_held_meanwhile();
		test_race();
	}
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
