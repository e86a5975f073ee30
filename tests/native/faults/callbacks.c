// SPDX-License-Identifier: Apache-2.0
/* Callbacks that block or fail, and buffers that can't be touched. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define BLOCKED_MS 100

static bool wait_for(atomic_uint *value, unsigned int wanted, unsigned int milliseconds)
{
	struct timespec step = { .tv_nsec = 1000000 };

	for (unsigned int waited = 0; *value != wanted && waited < milliseconds; waited++)
		nanosleep(&step, NULL);
	return *value == wanted;
}

static void *write_nonsense(void *argument)
{
	guest_command(argument, 0);
	return NULL;
}

static atomic_uint destroyed;

static void *destroy(void *argument)
{
	struct guest *guest = argument;

	plugin.device_destroy(guest->device);
	destroyed = 1;
	return NULL;
}

static void test_blocked_log(void)
{
	struct guest guest = guest_start("", 2);
	pthread_t writer;
	pthread_t destroyer;

	callbacks.log_blocks = true;
	pthread_create(&writer, NULL, write_nonsense, &guest);
	tap_check(wait_for(&callbacks.logs_blocked, 1, PATIENCE_MS), "Log_Blocks_InTheMiddleOfAnAccess");
	alarm(30);
	tap_check(guest_is_well(&guest), "Log_Blocks_OtherRequestsGoOn");
	tap_check(plugin.unregister_memory(guest.device, GUEST_BASE + REGION_BYTES, REGION_BYTES) == MEMCTL_OK &&
		  plugin.device_reset(guest.device) == MEMCTL_OK && guest_connect(&guest, guest.buffer),
		  "Log_Blocks_UnregisterAndResetGoOn");
	destroyed = 0;
	pthread_create(&destroyer, NULL, destroy, &guest);
	tap_check(!wait_for(&destroyed, 1, BLOCKED_MS), "Log_Blocks_DestroyWaitsForIt");
	callbacks.log_blocks = false;
	tap_check(wait_for(&destroyed, 1, PATIENCE_MS), "Log_GoesOn_DestroyReturns");
	alarm(0);
	pthread_join(writer, NULL);
	pthread_join(destroyer, NULL);
	for (unsigned int region = 0; region < guest.regions; region++)
		munmap(guest.memory[region], REGION_BYTES + PAGE);
}

static void test_failing_copy(void)
{
	struct guest guest = guest_start("", 1);
	uint64_t untouched[4] = { CODE_INFO, 5, 6, 7 };

	memcpy(guest.memory[0], untouched, sizeof(untouched));
	callbacks.copies_fail = true;
	tap_check(guest_command(&guest, COMMAND_CHANNEL) == MEMCTL_OK &&
		  memcmp(guest.memory[0], untouched, sizeof(untouched)) == 0 &&
		  plugin_counter(guest.device, "unanswered_requests") == 1 &&
		  plugin_counter(guest.device, "refused_BUFFER_UNREADABLE") == 1, "Copy_Fails_RequestIsCountedAsUnanswered");
	callbacks.copies_fail = false;
	tap_check(guest_is_well(&guest), "Copy_WorksAgain_NextRequestIsRight");
	guest_end(&guest);
}

static void test_untouchable_buffers(void)
{
	struct guest guest = guest_start("", 2);
	uint64_t crossing = GUEST_BASE + REGION_BYTES - 16;
	uint64_t *first_half = (uint64_t *)(void *)(guest.memory[0] + REGION_BYTES - 16);
	int file = memfd_create("short", MFD_CLOEXEC);
	uint64_t call[2] = { 99, 0 };

	/* The VMM's own doing, so that the device knows nothing of it. */
	guest_connect(&guest, crossing);
	plugin.set_dirty_logging(guest.device, 1);
	memcpy(first_half, call, sizeof(call));
	mprotect(guest.memory[1], PAGE, PROT_READ);
	callbacks.dirty = 0;
	tap_check(guest_command(&guest, COMMAND_CHANNEL) == MEMCTL_OK && first_half[0] == ANSWER(EOPNOTSUPP, 1) &&
		  callbacks.dirty == 1, "Answer_ItsSecondHalfCantBeWritten_FirstHalfIsReportedDirty");
	plugin.set_dirty_logging(guest.device, 0);
	mprotect(guest.memory[1], PAGE, PROT_READ | PROT_WRITE);

	if (ftruncate(file, REGION_BYTES) ||
	    mmap(guest.memory[1], REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED ||
	    !guest_connect(&guest, GUEST_BASE + REGION_BYTES) || ftruncate(file, 0))
		tap_check(false, "a file behind the guest's memory");
	tap_check(guest_command(&guest, COMMAND_CHANNEL) == MEMCTL_OK &&
		  plugin_counter(guest.device, "unanswered_requests") == 2, "Buffer_ItsFileIsCutShort_ProcessLives");
	close(file);

	guest_connect(&guest, GUEST_BASE + REGION_BYTES);
	plugin.unregister_memory(guest.device, GUEST_BASE + REGION_BYTES, REGION_BYTES);
	mprotect(guest.memory[1], REGION_BYTES, PROT_NONE);
	tap_check(guest_command(&guest, COMMAND_CHANNEL) == MEMCTL_OK &&
		  plugin_counter(guest.device, "unanswered_requests") == 3, "Buffer_ItsRegionIsUnregistered_ProcessLives");
	tap_check(guest_connect(&guest, guest.buffer) && guest_is_well(&guest), "Buffer_BackInGuestMemory_NextRequestIsRight");
	guest_end(&guest);
}

void test_callbacks(void)
{
	test_blocked_log();
	test_failing_copy();
	test_untouchable_buffers();
}
