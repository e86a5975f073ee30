// SPDX-License-Identifier: GPL-2.0
/*
 * A thread on every CPU makes requests through one open file while the last
 * CPU goes offline and comes back, over and over. Each kind of request has
 * an answer of its own, so that an answer meant for another thread shows.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS 64
#define LEAST_TOGGLES 2
#define PATIENCE_SECONDS 60

struct worker {
	pthread_t thread;
	int cpu, fd;
	struct row row;
	atomic_ulong requests, wrong;
};

static atomic_bool stop;

static void expect(struct worker *worker, int answer, int expected)
{
	worker->requests++;
	if (answer == expected)
		return;
	if (!worker->wrong++)
		printf("# CPU %d: answer %d, expected %d, after %lu requests\n",
		       worker->cpu, answer, expected, worker->requests);
}

static void one_round(struct worker *worker, unsigned int round)
{
	size_t offset = round * host_unit % worker->row.length;
	uint64_t gpa = worker->row.gpa + offset;
	volatile uint64_t *word = (uint64_t *)(worker->row.pages[0].va + offset);
	struct memctl_buf buf;
	int fd = worker->fd;

	expect(worker, request(fd, MEMCTL_INFO, 0, 0, 0, &buf), 0);
	if (buf.info.page_size != PAGE || buf.info.major_version != 1)
		worker->wrong++;
	expect(worker, request(fd, MEMCTL_DONTNEED, gpa + 1, host_unit, 0, NULL), EINVAL);
	expect(worker, request(fd, 1000 + worker->cpu, gpa, host_unit, 0, NULL), EOPNOTSUPP);
	*word = gpa;
	expect(worker, request(fd, MEMCTL_MPROTECT_R, gpa, host_unit, 0, NULL), 0);
	if (*word != gpa)
		worker->wrong++;
	expect(worker, request(fd, MEMCTL_MPROTECT_RW, gpa, host_unit, 0, NULL), 0);
	expect(worker, request(fd, discard_code(), gpa, host_unit, 0, NULL), 0);
	if (*word)
		worker->wrong++;
	expect(worker, request(fd, MEMCTL_REMOVE, ram_end, host_unit, 0, NULL), EINVAL);
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	/* Fails while that CPU is offline; then this runs where it may. */
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	unsigned int round;

	for (round = 0; !stop; round++) {
		pin(worker->cpu);
		one_round(worker, round);
	}
	return NULL;
}

static bool set_online(int cpu, bool online)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, online ? "1" : "0", 1) == 1;
	if (fd >= 0)
		close(fd);
	return done;
}

static unsigned long all_requests(struct worker *workers, int count)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < count; i++)
		sum += workers[i].requests;
	return sum;
}

/* Until every thread made requests after now, or time is up. */
static void wait_for_progress(struct worker *workers, int count, time_t until)
{
	unsigned long goal = all_requests(workers, count) + 8 * count;

	while (all_requests(workers, count) < goal && time(NULL) < until)
		sched_yield();
}

/* For some seconds, and on a slow machine for as long as a few rounds take. */
static unsigned int toggle_last_cpu(struct worker *workers, int count, unsigned int seconds)
{
	time_t until = time(NULL) + seconds, deadline = until + PATIENCE_SECONDS;
	unsigned int toggles = 0;

	while (time(NULL) < until || (toggles < LEAST_TOGGLES && time(NULL) < deadline)) {
		if (count > 1 && !set_online(count - 1, false))
			break;
		wait_for_progress(workers, count, deadline);
		if (count > 1 && !set_online(count - 1, true))
			break;
		wait_for_progress(workers, count, deadline);
		toggles++;
	}
	return toggles;
}

int test_stress(unsigned int seconds)
{
	static struct worker workers[MAX_CPUS];
	int count = sysconf(_SC_NPROCESSORS_ONLN), fd = open_device(0), i;
	unsigned long fewest = -1UL, wrong = 0;
	unsigned int toggles;

	meet_host();
	for (i = 0; i < count; i++) {
		workers[i].cpu = i;
		workers[i].fd = fd;
		workers[i].row = huge_row(1);
		fill_row(&workers[i].row, i);
	}
	for (i = 0; i < count; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			tap_bail_out("no thread for CPU %d", i);
	toggles = toggle_last_cpu(workers, count, seconds);
	stop = true;
	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
		fewest = workers[i].requests < fewest ? workers[i].requests : fewest;
		free_row(&workers[i].row);
	}
	printf("# %lu requests by %d CPUs in %u s\n", all_requests(workers, count),
	       count, seconds);
	tap_check(fewest > 0, "every one of %d threads made requests", count);
	tap_check(!wrong, "each answer was right (%lu were not)", wrong);
	if (count > 1)
		tap_check(toggles >= LEAST_TOGGLES, "a CPU went offline and came back meanwhile (%u times)",
			  toggles);
	return 0;
}
