// SPDX-License-Identifier: Apache-2.0
/* Memory pressure: every device with every channel, and no address space left. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <string.h>
#include <sys/resource.h>

/* As many as the library lets a process have. */
#define MAX_DEVICES 8u
#define CHANNELS 8192u

static bool knows(memctl_status status)
{
	return status == MEMCTL_OK || status == MEMCTL_INTERNAL_ERROR || status == MEMCTL_LIMIT_REACHED;
}

void test_many_devices(void)
{
	struct guest guests[MAX_DEVICES];
	struct rlimit before;
	struct rlimit tight = { .rlim_cur = 64 << 20 };
	struct guest last;
	unsigned int refused = 0;
	bool known = true;

	for (unsigned int device = 0; device < MAX_DEVICES; device++)
		guests[device] = guest_start("channels=8192,max_splits=32768", 1);
	for (unsigned int device = 0; device < MAX_DEVICES; device++) {
		guest_command(&guests[device], COMMAND_RESET);
		for (unsigned int channel = 0; channel < CHANNELS; channel++) {
			uint64_t buffer = GUEST_BASE;
			uint8_t data[8];
			memctl_status status;

			memcpy(data, &buffer, sizeof(data));
			plugin.mmio_write(guests[device].device, REGISTER_PAYLOAD, data, sizeof(data));
			status = guest_command(&guests[device], COMMAND_REGISTER);
			known = known && knows(status);
			refused += status != MEMCTL_OK;
		}
	}
	tap_note("%u of %u channels found no memory", refused, MAX_DEVICES * CHANNELS);
	tap_check(refused == 0, "Register_EveryChannelOfEveryDevice_Fits");
	tap_check(known, "Register_EveryChannelOfEveryDevice_ProcessLives");
	tap_check(guest_connect(&guests[0], GUEST_BASE) && guest_is_well(&guests[0]), "Register_NoMemoryLeft_NextRequestIsRight");
	for (unsigned int device = 1; device < MAX_DEVICES; device++)
		guest_end(&guests[device]);

	getrlimit(RLIMIT_AS, &before);
	tight.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_AS, &tight);
	tap_check(guest_is_well(&guests[0]) && plugin_counter(guests[0].device, "channels") == 1,
		  "AddressSpace_Spent_RequestsAreRight");
	setrlimit(RLIMIT_AS, &before);
	guest_end(&guests[0]);
	last = guest_start("", 1);
	tap_check(guest_is_well(&last), "AfterAll_ANewDeviceIsRight");
	guest_end(&last);
}
