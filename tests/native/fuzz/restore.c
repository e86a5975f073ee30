// SPDX-License-Identifier: Apache-2.0
/*
 * Damaged and invented states for device_restore(). A reader of the format, written anew here, decides beforehand whether the
 * device must take a state; what it took it must save again in its one canonical form; what it refused must have left no trace.
 */
#define _GNU_SOURCE
#include "guest_copy.h"
#include "plugin.h"
#include "state.h"
#include "target.h"

#include <string.h>
#include <sys/mman.h>

#define MAX_STATE 16384u
#define REGION_PAGES 8u
#define PAGE 4096ull

static const struct memctl_host host = {
	.size = sizeof(host),
	.abi_version = MEMCTL_ABI_VERSION,
	.copy_from_guest = guest_copy,
	.copy_to_guest = guest_copy,
};
static const struct state_limits limits = {
	.channels = 4,
	.splits = 16 + 2 * (STATE_REGIONS - 1),
	.locked = 4 * PAGE,
	/* Two regions that adjoin and one apart. */
	.regions = { { 0x100000, REGION_PAGES * PAGE }, { 0x108000, REGION_PAGES * PAGE }, { 0x200000, REGION_PAGES * PAGE } },
};
static uint8_t *memory[STATE_REGIONS];

static memctl_device *device_with_memory(bool pvmemcontrol)
{
	memctl_device *device = plugin_create(&host, pvmemcontrol ?
		"dialect=pvmemcontrol,channels=4,max_splits=16,max_locked=16K" : "channels=4,max_splits=16,max_locked=16K");

	for (unsigned int region = 0; region < STATE_REGIONS; region++) {
		if (plugin_register(device, limits.regions[region].start, limits.regions[region].length, memory[region]))
			finding("register_memory failed");
	}
	return device;
}

static size_t save(memctl_device *device, uint8_t *state)
{
	size_t length = 0;

	if (plugin.device_save(device, state, MAX_STATE, &length) != MEMCTL_OK)
		finding("device_save failed");
	return length;
}

static void start(void)
{
	plugin_load();
	guest_copy_install();
	for (unsigned int region = 0; region < STATE_REGIONS; region++) {
		memory[region] = mmap(NULL, REGION_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory[region] == MAP_FAILED)
			finding("no memory");
		/* Apart in the address space too. */
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

/* After any answer the device goes on: a driver can connect and ask. */
static void check_alive(memctl_device *device)
{
	static const uint32_t commands[] = { 0x060FE6D2, 0x0E359539, 0x0CA8D227, 0x80000000 };
	uint64_t buffer = limits.regions[0].start;
	uint8_t data[8];
	uint32_t answer[8] = { 0 };

	if (plugin.device_reset(device) != MEMCTL_OK)
		finding("device_reset failed after a restore");
	memset(memory[0], 0, 32);
	memcpy(data, &buffer, sizeof(data));
	for (unsigned int command = 0; command < 4; command++) {
		memcpy(data, &buffer, sizeof(data));
		plugin.mmio_write(device, 0, data, 8);
		memcpy(data, &commands[command], 4);
		if (plugin.mmio_write(device, 8, data, 4) != MEMCTL_OK)
			finding("command %u refused after a restore", command);
	}
	memcpy(answer, memory[0], sizeof(answer));
	if (answer[0] || answer[1])
		finding("INFO answered %u after a restore", answer[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t state[MAX_STATE];
	static uint8_t fresh[MAX_STATE];
	static uint8_t after[MAX_STATE];
	static uint8_t canonical[MAX_STATE];
	memctl_device *device;
	enum state_verdict verdict;
	size_t canonical_length = 0;
	size_t fresh_length;
	memctl_status status;

	if (size < 1 || size - 1 > sizeof(state))
		return 0;
	if (!memory[0])
		start();
	memcpy(state, data + 1, size - 1);
	size--;
	/* With length and checksum put right, so that what lies behind them is reached. */
	if (data[0] & 1)
		state_fix_up(state, size);
	device = device_with_memory(data[0] & 2);
	fresh_length = save(device, fresh);
	verdict = state_judge(state, size, &limits, data[0] & 2, canonical, &canonical_length);
	status = plugin.device_restore(device, state, size);
	trace("verdict %d, status %u", verdict, status);
	observe((uint64_t)verdict << 8 | status);
	if (status != MEMCTL_OK && status != MEMCTL_INVALID_STATE && status != MEMCTL_HOST_CALL_FAILED)
		finding("device_restore returned %u", status);
	/* The kernel may refuse what the reader can't know; never what is damaged. */
	if (status == MEMCTL_HOST_CALL_FAILED ? verdict != STATE_FITS_IF_MERGED : (status == MEMCTL_OK) != (verdict <= STATE_FITS_IF_MERGED))
		finding("device_restore returned %u for a state with verdict %d", status, verdict);
	size = save(device, after);
	if (status == MEMCTL_OK && (size != canonical_length || memcmp(after, canonical, size) != 0))
		finding("a restored state is saved differently");
	if (status != MEMCTL_OK && (size != fresh_length || memcmp(after, fresh, size) != 0))
		finding("a refused state left a trace");
	check_alive(device);
	for (unsigned int region = 0; region < STATE_REGIONS; region++) {
		if (plugin.unregister_memory(device, limits.regions[region].start, limits.regions[region].length) != MEMCTL_OK)
			finding("unregister_memory failed after a restore");
		memset(memory[region], 0, REGION_PAGES * PAGE);
	}
	plugin.device_destroy(device);
	return 0;
}
