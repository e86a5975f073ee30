// SPDX-License-Identifier: Apache-2.0
/*
 * Wrong arguments of the C ABI: null, short, misaligned and oversized, handles that are invented or were destroyed, from two
 * threads. A call with something wrong returns a status that names it, one with nothing wrong succeeds; what it writes ends
 * at the caller's length: buffers lie against an inaccessible page.
 */
#define _GNU_SOURCE
#include "guest_copy.h"
#include "plugin.h"
#include "target.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define HANDLES 4u
#define AREA 16384u
#define PAGE 4096ull
#define MAX_CALLS 64u

#define ALLOW(status) (1u << (status))

static struct {
	memctl_device *device;
	bool live;
} handles[HANDLES];
static uint8_t *memory;
static uint8_t *edge; /* the page behind it is inaccessible */
static struct input *calls;
static pthread_barrier_t barrier;

static memctl_device *take_handle(uint32_t *allowed)
{
	uint8_t choice = take(calls);

	if (choice & 0x80) {
		uint64_t invented = choice & 0x40 ? take_bytes(calls, 8) : choice & 3;
		memctl_device *device;

		memcpy(&device, &invented, sizeof(device));
		for (unsigned int index = 0; index < HANDLES; index++) {
			if (handles[index].live && handles[index].device == device)
				return device;
		}
		*allowed |= ALLOW(MEMCTL_INVALID_HANDLE);
		return device;
	}
	if (!handles[choice % HANDLES].live)
		*allowed |= ALLOW(MEMCTL_INVALID_HANDLE);
	return handles[choice % HANDLES].device;
}

/* Whatever else is allowed: with nothing wrong the call succeeds, or returns one of these. */
static void judge(const char *call, memctl_status status, uint32_t wrong, uint32_t right)
{
	char message[64];
	size_t length;

	observe((uint64_t)call[0] << 32 | (uint64_t)call[7] << 24 | status << 16 | (wrong & 0xffff));
	if (!((wrong ? wrong : right) & ALLOW(status)))
		finding("%s returned %u; allowed were %#x", call, status, wrong ? wrong : right);
	if (status == MEMCTL_INTERNAL_ERROR)
		finding("%s found a defect in the library", call);
	if (status == MEMCTL_OK || status == MEMCTL_IGNORED_ACCESS)
		return;
	memset(message, 'x', sizeof(message));
	length = plugin.last_error(message, sizeof(message));
	if (!length || message[length < sizeof(message) ? length : sizeof(message) - 1])
		finding("%s: status %u has no message", call, status);
}

static void create(void)
{
	uint8_t options[256];
	uint8_t choice = take(calls);
	uint8_t at = take(calls) % HANDLES;
	size_t length = take(calls) % sizeof(options);
	_Alignas(8) uint8_t room[sizeof(struct memctl_host) + 8];
	struct memctl_host host = {
		.size = choice & 1 ? take(calls) : sizeof(host),
		.abi_version = choice & 2 ? (uint32_t)take_bytes(calls, 4) : MEMCTL_ABI_VERSION,
		.log_level = choice & 4 ? take(calls) : MEMCTL_LOG_OFF,
		.reserved = choice & 8 ? take(calls) : 0,
		.copy_from_guest = choice & 16 ? NULL : guest_copy,
		.copy_to_guest = guest_copy,
	};
	unsigned int shift = choice & 32 ? 4 : 0;
	memctl_device *made = NULL;
	uint32_t wrong = 0;
	uint32_t right = ALLOW(MEMCTL_OK);
	memctl_status status;

	if (handles[at].live)
		return;
	for (size_t index = 0; index < length; index++)
		options[index] = take(calls);
	if (length)
		right |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	if (host.size < sizeof(host))
		wrong |= ALLOW(MEMCTL_INVALID_SIZE);
	if (host.abi_version >> 16 != MEMCTL_ABI_VERSION_MAJOR || (host.abi_version & 0xffff) > MEMCTL_ABI_VERSION_MINOR)
		wrong |= ALLOW(MEMCTL_UNSUPPORTED_VERSION);
	if (host.log_level > MEMCTL_LOG_TRACE || host.reserved || choice & (16 | 32 | 64) || (choice & 128 && length))
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	if (wrong && length)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	memcpy(room + shift, &host, sizeof(host));
	status = plugin.device_create((const struct memctl_host *)(void *)(room + shift),
				      choice & 128 ? NULL : (const char *)options, length, choice & 64 ? NULL : &made);
	judge("device_create", status, wrong, right);
	if ((status == MEMCTL_OK) != (made != NULL))
		finding("device_create returned %u and stored %p", status, (void *)made);
	if (made) {
		handles[at].device = made;
		handles[at].live = true;
	}
}

static void destroy(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);

	judge("device_destroy", plugin.device_destroy(device), wrong, ALLOW(MEMCTL_OK));
	for (unsigned int index = 0; index < HANDLES; index++)
		handles[index].live &= handles[index].device != device;
}

static void register_region(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	_Alignas(8) uint8_t room[sizeof(struct memctl_region) + 8];
	struct memctl_region region = {
		.size = choice & 1 ? take(calls) : sizeof(region),
		.flags = choice & 2 ? take(calls) : 0,
		.guest_address = choice & 4 ? take_bytes(calls, 8) : take(calls) % 8 * PAGE,
		/* Never more than there is: beyond it the device would act on what is not the guest's. */
		.length = choice & 8 ? take_bytes(calls, 2) % AREA : PAGE,
		.host_address = choice & 16 ? NULL : memory,
	};
	unsigned int shift = choice & 32 ? 4 : 0;

	if (choice & 64)
		region.length = UINT64_MAX - take(calls);
	if (region.size < sizeof(region))
		wrong |= ALLOW(MEMCTL_INVALID_SIZE);
	if (region.flags > 3 || shift || !region.host_address || choice & 128 || !region.length || region.length % PAGE ||
	    region.guest_address % PAGE || region.guest_address + region.length <= region.guest_address)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	memcpy(room + shift, &region, sizeof(region));
	judge("register_memory",
	      plugin.register_memory(device, choice & 128 ? NULL : (struct memctl_region *)(void *)(room + shift)), wrong,
	      ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_OVERLAP));
}

static void unregister_region(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	uint64_t address = choice & 128 ? take_bytes(calls, 8) : (choice & 7) * PAGE;
	uint64_t length = choice & 64 ? take_bytes(calls, 8) : PAGE;

	judge("unregister_memory", plugin.unregister_memory(device, address, length), wrong,
	      ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_NOT_FOUND) | ALLOW(MEMCTL_INVALID_ARGUMENT));
}

static void register_blocks(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	struct memctl_region region = {
		.size = sizeof(region),
		.guest_address = (choice & 7) * PAGE,
		.length = (1 + (choice >> 3 & 3)) * PAGE,
		.host_address = memory,
		.block_size = choice & 128 ? take_bytes(calls, 8) : 1ull << (choice >> 5 & 3) << 12,
	};
	uint64_t block = region.block_size;

	if (block && (block & (block - 1) || block < PAGE || region.guest_address % block || region.length % block))
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	judge("register_memory", plugin.register_memory(device, &region), wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_OVERLAP));
}

static void change_blocks(bool plug)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	uint64_t address = choice & 128 ? take_bytes(calls, 8) : (choice & 7) * PAGE;
	uint64_t length = choice & 64 ? take_bytes(calls, 8) : PAGE;
	/* Which blocks are present, the other target's model knows. */
	uint32_t right = ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_NOT_FOUND) | ALLOW(MEMCTL_INVALID_ARGUMENT);

	if (plug)
		judge("plug_memory", plugin.plug_memory(device, address, length), wrong, right);
	else
		judge("unplug_memory", plugin.unplug_memory(device, address, length), wrong, right);
}

static void access_registers(bool write)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t length = choice & 128 ? take_bytes(calls, 8) : choice & 15;
	uint64_t offset = choice & 64 ? take_bytes(calls, 8) : choice & 8;
	uint8_t *data = choice & 32 ? NULL : edge - (length <= 8 ? length : 8);

	if (!data || length < 1 || length > 8)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	memset(edge - 16, 0xee, 16);
	if (!write) {
		judge("mmio_read", plugin.mmio_read(device, offset, data, length), wrong, ALLOW(MEMCTL_OK));
		for (unsigned int before = 9; before <= 16; before++) {
			if (edge[-(int)before] != 0xee)
				finding("mmio_read wrote in front of its buffer");
		}
		return;
	}
	for (unsigned int index = 0; data && index < length && index < 8; index++)
		data[index] = take(calls);
	judge("mmio_write", plugin.mmio_write(device, offset, data, length), wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_IGNORED_ACCESS));
}

static void set_switch(uint8_t which)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	uint32_t value = choice & 128 ? (uint32_t)take_bytes(calls, 4) : choice & 1;

	if (value > 1)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	if (which == 0)
		/* No device here has a dirty callback. */
		judge("set_dirty_logging", plugin.set_dirty_logging(device, value),
		      wrong || !value ? wrong : ALLOW(MEMCTL_INVALID_ARGUMENT), ALLOW(MEMCTL_OK));
	else if (which == 1)
		judge("inhibit_discard", plugin.inhibit_discard(device, value), wrong, ALLOW(MEMCTL_OK));
	else if (choice & 2)
		judge("keep_accessible", plugin.keep_accessible(device, value), wrong, ALLOW(MEMCTL_OK));
	else if (choice & 4)
		judge("resolve_fault", plugin.resolve_fault(device, value), wrong & ~ALLOW(MEMCTL_INVALID_ARGUMENT),
		      ALLOW(MEMCTL_DENIED) | ALLOW(MEMCTL_NOT_FOUND) | ALLOW(MEMCTL_OK));
	else
		judge("keep_readable", plugin.keep_readable(device, value), wrong, ALLOW(MEMCTL_OK));
}

static void save(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = choice & 64 ? (size_t)choice * 16 : take(calls);
	size_t length = SIZE_MAX;
	uint8_t *buffer = choice & 1 ? NULL : edge - capacity;
	memctl_status status;

	if ((!buffer && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_save(device, buffer, capacity, choice & 2 ? NULL : &length);
	judge("device_save", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	if (status == MEMCTL_OK ? length > capacity : status == MEMCTL_BUFFER_TOO_SMALL ? length <= capacity : length != SIZE_MAX)
		finding("device_save returned %u and stored length %zu for room of %zu", status, length, capacity);
}

static void restore(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t length = choice & 64 ? SIZE_MAX - choice : choice & 63;

	/* More than 2 GiB, or null: refused before a byte is read. */
	if (choice & 128 || length > 64)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	for (size_t index = 0; index < length && length <= 64; index++)
		edge[-(int)(length - index)] = take(calls);
	judge("device_restore", plugin.device_restore(device, choice & 128 ? NULL : edge - (length & 63), length), wrong,
	      ALLOW(MEMCTL_INVALID_STATE));
}

static void statistics(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = take(calls) % 80;
	size_t count = SIZE_MAX;
	void *counters = choice & 1 ? NULL : edge - capacity * sizeof(struct memctl_counter);
	memctl_status status;

	if ((!counters && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_statistics(device, counters, capacity, choice & 2 ? NULL : &count);
	judge("device_statistics", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	if (status == MEMCTL_OK ? count > capacity : status == MEMCTL_BUFFER_TOO_SMALL && count <= capacity)
		finding("device_statistics returned %u and stored count %zu for room of %zu", status, count, capacity);
}

static void attributes(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = take(calls) % 80;
	size_t count = SIZE_MAX;
	void *extents = choice & 1 ? NULL : edge - capacity * sizeof(struct memctl_extent);

	if ((!extents && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	/* No guest here connects, so no guest sets anything. */
	judge("device_attributes", plugin.device_attributes(device, extents, capacity, choice & 2 ? NULL : &count), wrong,
	      ALLOW(MEMCTL_OK));
	if (count != (wrong ? SIZE_MAX : 0))
		finding("device_attributes stored count %zu", count);
}

static void report(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = (size_t)take(calls) * 64;
	size_t length = SIZE_MAX;
	char *buffer = choice & 1 ? NULL : (char *)edge - capacity;
	memctl_status status;

	if ((!buffer && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_report(device, buffer, capacity, choice & 2 ? NULL : &length);
	judge("device_report", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	if (status == MEMCTL_OK ? length > capacity : status == MEMCTL_BUFFER_TOO_SMALL && length <= capacity)
		finding("device_report returned %u and stored length %zu for room of %zu", status, length, capacity);
}

static void identity(void)
{
	uint32_t wrong = 0;
	uint8_t choice = take(calls);
	struct memctl_pci_identity given = { .size = choice & 1 ? take(calls) : sizeof(given) };
	uint8_t *at = edge - sizeof(given) - (choice & 2 ? 4 : 0);

	if (given.size < sizeof(given))
		wrong |= ALLOW(MEMCTL_INVALID_SIZE);
	if (choice & (2 | 4))
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	memcpy(at, &given, sizeof(given));
	judge("pci_identity", plugin.pci_identity(choice & 4 ? NULL : (struct memctl_pci_identity *)(void *)at), wrong,
	      ALLOW(MEMCTL_OK));
	if (memcmp(at, &given, wrong ? sizeof(given) : sizeof(given.size)) != 0)
		finding("pci_identity changed what it must not");
}

static void check(void)
{
	uint8_t choice = take(calls);
	size_t length = take(calls);
	uint8_t *options = edge - length;
	uint32_t wrong = 0;
	uint32_t right = ALLOW(MEMCTL_OK);

	for (size_t index = 0; index < length; index++)
		options[index] = take(calls);
	if (length)
		right |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	if (length && choice & 1)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	judge("check_options", plugin.check_options(choice & 1 ? NULL : (const char *)options, length), wrong, right);
}

static void message(void)
{
	uint8_t choice = take(calls);
	size_t capacity = choice & 63;

	memset(edge - 64, 0xee, 64);
	plugin.last_error(choice & 64 ? NULL : (char *)edge - capacity, capacity);
	if (edge[-(int)capacity - 1] != (capacity == 64 ? edge[-65] : 0xee))
		finding("last_error wrote in front of its buffer");
}

static void call(uint8_t which)
{
	switch ((which & 0x60) == 0x60 ? 16 + (which & 7) : which & 15) {
	case 0:
	case 1:
		create();
		break;
	case 2:
		destroy();
		break;
	case 3:
	case 4:
		register_region();
		break;
	case 5:
		unregister_region();
		break;
	case 6:
		access_registers(false);
		break;
	case 7:
	case 8:
		access_registers(true);
		break;
	case 9:
	case 10:
	case 11:
		set_switch((which & 15) - 9);
		break;
	case 12:
		save();
		break;
	case 13:
		restore();
		break;
	case 14:
		statistics();
		break;
	case 16:
		register_blocks();
		break;
	case 17:
	case 18:
		change_blocks((which & 7) == 1);
		break;
	case 19:
		attributes();
		break;
	case 20:
		identity();
		break;
	case 21:
		check();
		break;
	case 22:
		plugin.attach_thread();
		break;
	case 23:
		report();
		break;
	default:
		message();
	}
}

static uint8_t elsewhere;

static void *other_thread(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&barrier);
		call(elsewhere);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void start(void)
{
	pthread_t thread;

	plugin_load();
	guest_copy_install();
	memory = mmap(NULL, 3 * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory + 2 * AREA, AREA, PROT_NONE))
		finding("no memory");
	edge = memory + 2 * AREA;
	if (pthread_barrier_init(&barrier, NULL, 2) || pthread_create(&thread, NULL, other_thread, NULL))
		finding("no second thread");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };

	if (!memory)
		start();
	calls = &input;
	memset(handles, 0, sizeof(handles));
	for (unsigned int count = 0; input.next < input.end && count < MAX_CALLS; count++) {
		elsewhere = take(&input);
		if (elsewhere & 0x80) {
			pthread_barrier_wait(&barrier);
			pthread_barrier_wait(&barrier);
		} else {
			call(elsewhere);
		}
	}
	for (unsigned int index = 0; index < HANDLES; index++) {
		if (handles[index].live && plugin.device_destroy(handles[index].device) != MEMCTL_OK)
			finding("device_destroy failed at the end");
	}
	return 0;
}
