// SPDX-License-Identifier: GPL-2.0
/*
 * Requests with any code, any address and any length from every CPU at once,
 * with wrong ioctls among them. A request that would be valid on memory that
 * this test does not own gets a code that can do no harm there; what remains
 * has to be refused, or to work on the test's own pages, whose contents are
 * checked against a record of what was discarded.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 64

struct fuzzer {
	pthread_t thread;
	uint64_t random;
	unsigned long calls;
	struct row row;
	bool discarded[SMALL_PER_HUGE];
	unsigned long valid, wrong;
};

struct ioctl_request {
	uint64_t code, addr, length, arg;
};

static uint64_t next_random(struct fuzzer *fuzzer)
{
	uint64_t x = fuzzer->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	fuzzer->random = x;
	return x * 0x2545f4914f6cdd1dULL;
}

static uint64_t any_code(struct fuzzer *fuzzer)
{
	uint64_t random = next_random(fuzzer);

	switch (random >> 60) {
	case 0:
		return random;
	case 1:
		return (random & 0xff) | (random & 0xff00) << 24;
	case 2:
		return random % 32;
	default:
		return random % MEMCTL_FUNC_CODES;
	}
}

static uint64_t any_address(struct fuzzer *fuzzer)
{
	uint64_t random = next_random(fuzzer);
	uint64_t page = random % SMALL_PER_HUGE * PAGE;

	switch (random >> 60) {
	case 0:
		return random;
	case 1:
		return ram_end - page + (random & 0x10000000 ? PAGE * 4 : 0);
	case 2:
		return random % ram_end;
	case 3:
		return 0xfee00000 - page;
	case 4:
		return fuzzer->row.gpa + (random >> 20) % HUGE_PAGE;
	default:
		return fuzzer->row.gpa + page;
	}
}

static uint64_t any_length(struct fuzzer *fuzzer)
{
	uint64_t random = next_random(fuzzer);

	switch (random >> 60) {
	case 0:
		return random;
	case 1:
		return -(random % 64 * PAGE);
	case 2:
		return random % HUGE_PAGE;
	case 3:
		return ram_end + random % 16 * PAGE;
	default:
		return random % 16 * PAGE;
	}
}

static bool is_valid(const struct ioctl_request *r)
{
	return r->addr % PAGE == 0 && r->length % PAGE == 0 && r->addr < ram_end &&
	       r->length <= ram_end - r->addr;
}

static bool is_own(const struct fuzzer *fuzzer, const struct ioctl_request *r)
{
	return r->addr >= fuzzer->row.gpa &&
	       r->addr + r->length <= fuzzer->row.gpa + HUGE_PAGE;
}

static void record_discard(struct fuzzer *fuzzer, const struct ioctl_request *r)
{
	uint64_t first = r->addr - fuzzer->row.gpa, offset;

	if (r->code != MEMCTL_DONTNEED && r->code != MEMCTL_REMOVE &&
	    r->code != MEMCTL_FREE)
		return;
	for (offset = first; offset < first + r->length; offset += PAGE)
		fuzzer->discarded[offset / PAGE] = true;
}

static void fuzz_request(struct fuzzer *fuzzer, int fd)
{
	struct ioctl_request r = {
		any_code(fuzzer), any_address(fuzzer), any_length(fuzzer),
		next_random(fuzzer),
	};
	bool valid = is_valid(&r);
	int error;

	if (valid && !is_own(fuzzer, &r))
		r.code = MEMCTL_UNMERGEABLE;
	else if (valid)
		record_discard(fuzzer, &r);
	error = request(fd, r.code, r.addr, r.length, r.arg, NULL);
	if (r.code == MEMCTL_INFO)
		fuzzer->wrong += error != 0;
	else if (r.code >= MEMCTL_FUNC_CODES)
		fuzzer->wrong += error != EOPNOTSUPP;
	else if (!valid)
		fuzzer->wrong += error != EINVAL;
	else
		fuzzer->valid++;
}

/* Another command, or a pointer that leads nowhere. */
static void fuzz_ioctl(struct fuzzer *fuzzer, int fd)
{
	uint64_t random = next_random(fuzzer);
	unsigned int command = random & 1 ? MEMCTL_IOCTL_VMM : (unsigned int)(random >> 32);
	struct memctl_buf buf = { .call.func_code = MEMCTL_INFO };
	/* Past what user space can map: low bits would hit this program. */
	void *nowhere = (void *)(random | 1ULL << 63);

	if (command == MEMCTL_IOCTL_VMM)
		fuzzer->wrong += !ioctl(fd, command, nowhere) || errno != EFAULT;
	else
		fuzzer->wrong += !ioctl(fd, 0xDA00 | (command & 0xffff00ff), &buf);
}

static void *fuzz(void *argument)
{
	struct fuzzer *fuzzer = argument;
	int fd = open_device(0);
	unsigned long call;

	for (call = 0; call < fuzzer->calls; call++)
		if (call % 2)
			fuzz_request(fuzzer, fd);
		else
			fuzz_ioctl(fuzzer, fd);
	close(fd);
	return NULL;
}

/* Takes protections and locks off, then compares with the record. */
static unsigned long lost_pages(struct fuzzer *fuzzer, int fd, uint64_t seed)
{
	unsigned long page, lost = 0;

	if (request(fd, MEMCTL_MPROTECT_RW, fuzzer->row.gpa, HUGE_PAGE, 0, NULL) ||
	    request(fd, MEMCTL_MUNLOCK, fuzzer->row.gpa, HUGE_PAGE, 0, NULL))
		tap_bail_out("the fuzzed memory can't be given its access back");
	for (page = 0; page < SMALL_PER_HUGE; page++) {
		enum content content = row_content(&fuzzer->row, page * PAGE, PAGE, seed);

		lost += content == OTHER ||
			(content == ZERO && !fuzzer->discarded[page]);
	}
	return lost;
}

int test_fuzz(unsigned long calls)
{
	static struct fuzzer fuzzers[MAX_THREADS];
	int count = sysconf(_SC_NPROCESSORS_ONLN), fd = open_device(0), i;
	unsigned long valid = 0, wrong = 0, lost = 0;
	struct row bystander;

	meet_host();
	bystander = huge_row(1);
	fill_row(&bystander, 99);
	for (i = 0; i < count; i++) {
		fuzzers[i].random = 0x9e3779b97f4a7c15ULL * (i + 1);
		fuzzers[i].calls = (calls + count - 1) / count;
		fuzzers[i].row = huge_row(1);
		fill_row(&fuzzers[i].row, i);
	}
	for (i = 0; i < count; i++)
		if (pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i]))
			tap_bail_out("no thread %d", i);
	for (i = 0; i < count; i++) {
		pthread_join(fuzzers[i].thread, NULL);
		valid += fuzzers[i].valid;
		wrong += fuzzers[i].wrong;
		lost += lost_pages(&fuzzers[i], fd, i);
		free_row(&fuzzers[i].row);
	}
	tap_check(!wrong, "%lu fuzzed calls by %d threads: each wrong one was refused (%lu were not)",
		  calls, count, wrong);
	tap_check(valid > calls / 16, "many of them were valid (%lu)", valid);
	tap_check(!lost, "no page lost its content unless it was discarded (%lu did)", lost);
	tap_check(row_content(&bystander, 0, HUGE_PAGE, 99) == INTACT,
		  "memory that no request named is intact");
	tap_check(host_usage().resident > 0, "the VMM is alive after it");
	free_row(&bystander);
	return 0;
}
