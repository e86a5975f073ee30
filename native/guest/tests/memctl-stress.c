// SPDX-License-Identifier: GPL-2.0
/*
 * All CPUs at once through one open file: each answer must be that of the
 * request it was given for.
 *
 *   memctl-stress [--seconds T=10] [--threads N=2 for each CPU] [--hotplug CPU]
 *                 [--unit BYTES]
 *
 * With --hotplug that CPU goes offline and comes back all along. --unit is the
 * size of what is discarded, 2 MiB where the host has huge pages behind us.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "memory.h"

#define MAX_THREADS	512

struct worker {
	pthread_t thread;
	unsigned int index;
	uint64_t phys;
	uint64_t requests;
	uint64_t wrong;
};

static int device;
static uint64_t page_size, unit;
static atomic_bool stop;

/* One request whose answer depends on @step and on the worker. */
static bool make_request(const struct worker *worker, uint64_t step)
{
	struct memctl_buf answer;
	int ret;

	switch ((step + worker->index) % 6) {
	case 0:
		ret = memctl_call(device, MEMCTL_INFO, step, step, step, &answer);
		return !ret && !answer.info.ret_errno && answer.info.page_size == page_size &&
		       answer.info.major_version == 1;
	case 1:
		ret = memctl_call(device, 1000 + worker->index, step, step, step, &answer);
		return !ret && answer.ret.ret_errno == EOPNOTSUPP;
	case 2:
		ret = memctl_call(device, MEMCTL_DONTNEED, worker->phys + 1, unit, 0, &answer);
		return !ret && answer.ret.ret_errno == EINVAL;
	case 3:
		ret = memctl_call(device, MEMCTL_MLOCK, worker->phys, 0, 0, &answer);
		return !ret && !answer.ret.ret_errno;
	case 4:
		ret = memctl_call(device, MEMCTL_PAGEOUT, worker->phys, unit, 0, &answer);
		return !ret && (!answer.ret.ret_errno || answer.ret.ret_errno == EINVAL);
	default:
		ret = memctl_call(device, MEMCTL_DONTNEED, worker->phys, unit, 0, &answer);
		return !ret && !answer.ret.ret_errno;
	}
}

static void *work(void *data)
{
	struct worker *worker = data;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		worker->wrong += !make_request(worker, worker->requests);
		worker->requests++;
	}
	return NULL;
}

/* Threads start spread over the CPUs, and may be moved when theirs goes away. */
static void start_worker(struct worker *worker, unsigned int cpus)
{
	cpu_set_t set;
	int error;

	error = pthread_create(&worker->thread, NULL, work, worker);
	if (error)
		tap_bail_out("pthread_create: %s", strerror(error));
	CPU_ZERO(&set);
	CPU_SET(worker->index % cpus, &set);
	error = pthread_setaffinity_np(worker->thread, sizeof(set), &set);
	if (error)
		tap_bail_out("pthread_setaffinity_np: %s", strerror(error));
}

static bool set_online(const char *path, bool online)
{
	int fd = open(path, O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, online ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

static bool time_left(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

/* Until the time is over; with a CPU, takes it off line and on again meanwhile. */
static void pass_time(unsigned int seconds, int hotplug)
{
	struct timespec end;
	unsigned int cycles = 0;
	char path[64];
	bool online = true;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	if (hotplug < 0) {
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
			;
		return;
	}

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", hotplug);
	while (online && time_left(&end)) {
		if (!set_online(path, false))
			break;
		online = set_online(path, true);
		cycles++;
	}
	tap_check(online && cycles, "CPU %d went offline and came back %u times", hotplug, cycles);
}

static void stress(struct worker *workers, unsigned int count, unsigned int seconds, int hotplug)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), i;
	size_t bytes = (count * unit + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	uint64_t requests = 0, wrong = 0, min = UINT64_MAX;
	char *memory = map_memory(bytes);

	for (i = 0; i < count; i++) {
		workers[i].index = i;
		workers[i].phys = physical_address(memory + i * unit, unit);
		if (!workers[i].phys)
			tap_bail_out("no contiguous memory of a host page's size");
	}
	for (i = 0; i < count; i++)
		start_worker(&workers[i], cpus);
	pass_time(seconds, hotplug);
	atomic_store(&stop, true);
	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		requests += workers[i].requests;
		wrong += workers[i].wrong;
		if (workers[i].requests < min)
			min = workers[i].requests;
	}
	tap_check(!wrong, "%llu of %llu answers wrong, %u threads on %u CPUs",
		  (unsigned long long)wrong, (unsigned long long)requests, count, cpus);
	tap_check(min > 0, "every thread made requests, at least %llu", (unsigned long long)min);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ "hotplug", required_argument, NULL, 'h' },
		{ "unit", required_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	static struct worker workers[MAX_THREADS];
	uint64_t threads = 2 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN), seconds = 10;
	int option, hotplug = -1;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seconds = number_argument(optarg);
			break;
		case 't':
			threads = number_argument(optarg);
			break;
		case 'h':
			hotplug = (int)number_argument(optarg);
			break;
		case 'u':
			unit = number_argument(optarg);
			break;
		default:
			tap_bail_out("unknown option");
		}
	}
	if (!threads || threads > MAX_THREADS)
		tap_bail_out("1 to %u threads", MAX_THREADS);

	device = open_device(&page_size);
	if (!unit)
		unit = page_size;
	stress(workers, (unsigned int)threads, (unsigned int)seconds, hotplug);
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
