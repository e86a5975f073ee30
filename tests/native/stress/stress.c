// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "stress.h"

#include "guest_copy.h"
#include "resources.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define WARM_UP_SECONDS 2
#define GRACE_SECONDS 60
#define SHOWN_WRONGS 10

struct stress stress;
static atomic_ulong wrongs;

void stress_wrong(const char *format, ...)
{
	va_list arguments;

	if (wrongs++ >= SHOWN_WRONGS)
		return;
	fputs("# WRONG: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

unsigned long stress_wrongs(void)
{
	return wrongs;
}

uint64_t stress_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

static void on_dirty(void *context, uint64_t guest_address, uint64_t length)
{
	(void)context;
	if (!stress.dirty_allowed)
		stress_wrong("[%#llx, +%#llx) was reported after dirty logging was off", (unsigned long long)guest_address,
			     (unsigned long long)length);
}

static void on_kick(int number)
{
	(void)number;
	stress.kicks++;
}

static uint8_t *map(size_t pages, int file)
{
	/* Closed pages around it keep its mapping apart from others. */
	uint8_t *at = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mmap(at + PAGE, pages * PAGE, PROT_READ | PROT_WRITE,
				     MAP_FIXED | (file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), file, 0) == MAP_FAILED)
		abort();
	return at + PAGE;
}

static void prepare(void)
{
	static const struct memctl_host host = {
		.size = sizeof(host),
		.abi_version = MEMCTL_ABI_VERSION,
		/* A context: faults of the device's own copies count. */
		.context = &stress,
		.dirty = on_dirty,
		.copy_from_guest = guest_copy,
		.copy_to_guest = guest_copy,
	};
	struct sigaction kick = { .sa_handler = on_kick };

	plugin_load();
	guest_copy_install();
	/* As in a VMM: the kick is not the runtime's. */
	if (sigaction(SIGRTMIN, &kick, NULL))
		abort();
	stress.passing_file = memfd_create("passing", MFD_CLOEXEC);
	if (stress.passing_file < 0 || ftruncate(stress.passing_file, PASSING_PAGES * PAGE))
		abort();
	stress.buffers = map(VCPUS, -1);
	stress.shared = map(SHARED_PAGES, -1);
	stress.private = map(VCPUS * PRIVATE_PAGES, -1);
	stress.passing = map(PASSING_PAGES, stress.passing_file);
	stress.name_errno = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, stress.shared, PAGE, "probe") ? errno : 0;
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, stress.shared, PAGE, NULL);
	stress.device = plugin_create(&host, "");
	if (plugin_register(stress.device, BUFFER_REGION, VCPUS * PAGE, stress.buffers) ||
	    plugin_register(stress.device, SHARED_REGION, SHARED_PAGES * PAGE, stress.shared) ||
	    plugin_register(stress.device, PRIVATE_REGION, VCPUS * PRIVATE_PAGES * PAGE, stress.private) ||
	    plugin_register(stress.device, PASSING_REGION, PASSING_PAGES * PAGE, stress.passing))
		abort();
}

static void run(unsigned int seconds)
{
	static void *(*const disturbers[])(void *) = { stress_driver, stress_memory, stress_switches, stress_migration,
						       stress_collections };
	enum { DISTURBERS = sizeof(disturbers) / sizeof(disturbers[0]) };
	struct timespec kick = { .tv_nsec = 200000 };
	pthread_t threads[VCPUS + DISTURBERS];
	time_t end = time(NULL) + (time_t)seconds;

	/* A hang ends the process, and with it the test. */
	alarm(seconds + GRACE_SECONDS);
	stress.stop = false;
	if (!stress_connect(stress.device, VCPUS))
		stress_wrong("the first driver could not connect");
	for (unsigned int thread = 0; thread < VCPUS + DISTURBERS; thread++) {
		if (pthread_create(&threads[thread], NULL, thread < VCPUS ? stress_vcpu : disturbers[thread - VCPUS],
				   (void *)(uintptr_t)thread))
			abort();
	}
	while (time(NULL) < end) {
		for (unsigned int thread = 0; thread < VCPUS + DISTURBERS; thread++)
			pthread_kill(threads[thread], SIGRTMIN);
		nanosleep(&kick, NULL);
	}
	stress.stop = true;
	for (unsigned int thread = 0; thread < VCPUS + DISTURBERS; thread++)
		pthread_join(threads[thread], NULL);
	alarm(0);
	if (plugin.device_reset(stress.device) != MEMCTL_OK)
		stress_wrong("the last device_reset failed");
}

int main(void)
{
	const char *setting = getenv("MEMCTL_STRESS_SECONDS");
	unsigned int seconds = setting ? (unsigned int)atoi(setting) : 10;
	struct resources before;
	struct resources after;

	prepare();
	run(WARM_UP_SECONDS);
	before = resources_now();
	run(seconds);
	after = resources_now();
	tap_note("%lu answers, %lu of them exact, %lu ignored; %lu kicks, %lu collections", stress.answers, stress.exact,
		 stress.ignored, stress.kicks, stress.collections);
	tap_note("memory %ld to %ld KiB, mappings %ld to %ld, threads %ld to %ld, files %ld to %ld", before.resident_kib,
		 after.resident_kib, before.mappings, after.mappings, before.threads, after.threads, before.files, after.files);
	tap_check(!stress_wrongs(), "no wrong answer in %u seconds", seconds);
	tap_check(stress.exact && stress.ignored, "requests were answered exactly, and others met a disconnected device");
	tap_check(stress.quarantines && !guest_copy_trespasses(), "%lu times memory was quiet once it was unregistered",
		  stress.quarantines);
	tap_check(stress.restores, "%lu states saved meanwhile were restored", stress.restores);
	tap_check(stress.kicks && stress.collections, "kicks and collections went on all along");
	tap_check(resources_same(&before, &after), "nothing leaked");
	return tap_finish() ? 0 : 1;
}
