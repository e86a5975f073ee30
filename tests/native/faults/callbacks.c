// SPDX-License-Identifier: Apache-2.0
/* Callbacks that fail, and buffers that can't be touched. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

	/* By the VMM, so that the device does not know of it. */
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
	test_failing_copy();
	test_untouchable_buffers();
}
