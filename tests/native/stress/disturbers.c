// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "stress.h"

#include "guest_copy.h"
#include "protocol.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_STATE 262144u

/* Lets the vCPUs work between two disturbances. */
static void pause_for(long microseconds)
{
	struct timespec time = { .tv_nsec = microseconds * 1000 };

	nanosleep(&time, NULL);
}

static memctl_status store(memctl_device *device, uint64_t offset, uint64_t value, size_t length)
{
	uint8_t data[8];

	memcpy(data, &value, sizeof(data));
	return plugin.mmio_write(device, offset, data, length);
}

static uint32_t command(memctl_device *device)
{
	uint8_t data[4];
	uint32_t value;

	plugin.mmio_read(device, REGISTER_COMMAND, data, sizeof(data));
	memcpy(&value, data, sizeof(value));
	return value;
}

bool stress_connect(memctl_device *device, unsigned int channels)
{
	store(device, REGISTER_COMMAND, COMMAND_RESET, 4);
	for (unsigned int channel = 0; channel < channels; channel++) {
		uint64_t region = channel < VCPUS ? BUFFER_REGION : PASSING_REGION;

		store(device, REGISTER_PAYLOAD, region + channel % VCPUS * PAGE, 8);
		store(device, REGISTER_COMMAND, COMMAND_REGISTER, 4);
	}
	store(device, REGISTER_COMMAND, COMMAND_READY, 4);
	return command(device) == COMMAND_ACK;
}

void *stress_driver(void *unused)
{
	uint64_t random = 77;

	(void)unused;
	while (!stress.stop) {
		uint64_t choice = stress_random(&random) % 4;

		stress.disturbances_begun++;
		if (choice == 0) {
			if (plugin.device_reset(stress.device) != MEMCTL_OK)
				stress_wrong("device_reset failed");
		} else if (choice == 1) {
			store(stress.device, REGISTER_COMMAND, COMMAND_DISCONNECT, 4);
			if (command(stress.device) != COMMAND_ERROR)
				stress_wrong("DISCONNECT was not answered ERROR");
		}
		if (!stress_connect(stress.device, CHANNELS) && !stress_connect(stress.device, VCPUS))
			stress_wrong("a driver could not connect");
		stress.disturbances_ended++;
		pause_for(10000);
	}
	return NULL;
}

/* A region comes and goes. Once it is gone, nothing may touch it: it is inaccessible, and its file contains a pattern. */
void *stress_memory(void *unused)
{
	static uint8_t pattern[PASSING_PAGES * PAGE];
	static uint8_t found[PASSING_PAGES * PAGE];
	uint64_t round = 0;

	(void)unused;
	while (!stress.stop) {
		memctl_status status = plugin.unregister_memory(stress.device, PASSING_REGION, PASSING_PAGES * PAGE);

		if (status != MEMCTL_OK)
			stress_wrong("unregister_memory returned %u", status);
		memset(pattern, (int)(++round | 1), sizeof(pattern));
		mprotect(stress.passing, sizeof(pattern), PROT_NONE);
		guest_copy_quarantine(0, stress.passing, sizeof(pattern));
		if (pwrite(stress.passing_file, pattern, sizeof(pattern), 0) != sizeof(pattern))
			stress_wrong("the pattern could not be written");
		pause_for(1000);
		if (pread(stress.passing_file, found, sizeof(found), 0) != sizeof(found) ||
		    memcmp(found, pattern, sizeof(found)) != 0)
			stress_wrong("memory changed after unregister_memory");
		if (!guest_copy(NULL, found, stress.passing, 1))
			stress_wrong("memory was opened after unregister_memory");
		guest_copy_release(0);
		stress.quarantines++;
		mprotect(stress.passing, sizeof(pattern), PROT_READ | PROT_WRITE);
		status = plugin_register(stress.device, PASSING_REGION, PASSING_PAGES * PAGE, stress.passing);
		if (status != MEMCTL_OK)
			stress_wrong("register_memory returned %u", status);
		pause_for(3000);
	}
	return NULL;
}

void *stress_switches(void *unused)
{
	(void)unused;
	while (!stress.stop) {
		memctl_status failed = 0;

		stress.dirty_allowed = true;
		failed |= plugin.set_dirty_logging(stress.device, 1);
		pause_for(1000);
		failed |= plugin.set_dirty_logging(stress.device, 0);
		stress.dirty_allowed = false;
		stress.disturbances_begun++;
		failed |= plugin.inhibit_discard(stress.device, 1);
		failed |= plugin.keep_readable(stress.device, 1);
		failed |= plugin.keep_readable(stress.device, 0);
		failed |= plugin.inhibit_discard(stress.device, 0);
		stress.disturbances_ended++;
		if (failed)
			stress_wrong("a switch failed");
		pause_for(10000);
	}
	return NULL;
}

static uint8_t *other_memory(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Whatever a state is saved in the middle of, another device takes it and can be used. */
void *stress_migration(void *unused)
{
	static const struct memctl_host host = {
		.size = sizeof(host),
		.abi_version = MEMCTL_ABI_VERSION,
		.copy_from_guest = guest_copy,
		.copy_to_guest = guest_copy,
	};
	static uint8_t state[MAX_STATE];
	uint8_t *memory[] = { other_memory(VCPUS), other_memory(SHARED_PAGES), other_memory(VCPUS * PRIVATE_PAGES),
			      other_memory(PASSING_PAGES) };
	static const uint64_t places[] = { BUFFER_REGION, SHARED_REGION, PRIVATE_REGION, PASSING_REGION };
	static const uint64_t pages[] = { VCPUS, SHARED_PAGES, VCPUS * PRIVATE_PAGES, PASSING_PAGES };

	(void)unused;
	while (!stress.stop) {
		memctl_device *other = plugin_create(&host, "");
		size_t length = 0;
		memctl_status failed = 0;
		memctl_status status;

		for (unsigned int region = 0; region < 4; region++)
			failed |= plugin_register(other, places[region], pages[region] * PAGE, memory[region]);
		if (failed || plugin.device_save(stress.device, state, sizeof(state), &length) != MEMCTL_OK)
			stress_wrong("device_save failed");
		status = plugin.device_restore(other, state, length);
		if (status != MEMCTL_OK)
			stress_wrong("device_restore returned %u", status);
		else
			stress.restores++;
		for (unsigned int region = 0; region < 4; region++)
			failed |= plugin.unregister_memory(other, places[region], pages[region] * PAGE);
		failed |= plugin.device_destroy(other);
		if (failed)
			stress_wrong("the other device failed");
		pause_for(2000);
	}
	for (unsigned int region = 0; region < 4; region++)
		munmap(memory[region], pages[region] * PAGE);
	return NULL;
}

/*
 * Makes garbage until the runtime collects it, over and over: each collection stops
 * every thread in the library. Refusing to resolve a fault throws, and takes no lock.
 */
void *stress_collections(void *unused)
{
	uint64_t last = 0;

	(void)unused;
	while (!stress.stop) {
		uint64_t now = plugin_counter(stress.device, "managed_collections");

		if (plugin.resolve_fault(stress.device, MEMCTL_ADDRESS_UNKNOWN) != MEMCTL_DENIED)
			stress_wrong("resolve_fault with on_fault=stop");
		if (now != last) {
			stress.collections++;
			last = now;
		}
		/* The counters are taken under the device's control lock, which the others want too. */
		pause_for(20);
	}
	return NULL;
}
