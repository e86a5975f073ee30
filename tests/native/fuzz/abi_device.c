// SPDX-License-Identifier: Apache-2.0
/* The calls that make, change and use a device. */
#include "abi.h"
#include "guest_copy.h"
#include "plugin.h"

#include <string.h>

void call_create(void)
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

void call_destroy(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);

	judge("device_destroy", plugin.device_destroy(device), wrong, ALLOW(MEMCTL_OK));
	for (unsigned int index = 0; index < HANDLES; index++)
		handles[index].live &= handles[index].device != device;
}

void call_register_region(void)
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

void call_unregister_region(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	uint64_t address = choice & 128 ? take_bytes(calls, 8) : (choice & 7) * PAGE;
	uint64_t length = choice & 64 ? take_bytes(calls, 8) : PAGE;

	judge("unregister_memory", plugin.unregister_memory(device, address, length), wrong,
	      ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_NOT_FOUND) | ALLOW(MEMCTL_INVALID_ARGUMENT));
}

void call_register_blocks(void)
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

void call_change_blocks(bool plug)
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

void call_access_registers(bool write)
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

void call_set_switch(uint8_t which)
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
