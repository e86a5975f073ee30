// SPDX-License-Identifier: GPL-2.0
/* The C ABI of the plugin, and the transport of its device. */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "../guest/protocol.h"

#define BUFFER_LENGTH 32

static void transport(memctl_device *device, uint32_t command)
{
	switch (command) {
	case MEMCTL_RESET:
		next_conduct(device);
		device->channels = 0;
		device->answer = MEMCTL_ACK;
		break;
	case MEMCTL_REGISTER:
		if (device->channels == MAX_CHANNELS ||
		    !host_address(device, device->payload, BUFFER_LENGTH)) {
			device->answer = MEMCTL_ERROR;
			break;
		}
		device->buffers[device->channels] = device->payload;
		device->payload = MEMCTL_FIRST_CHANNEL + device->channels++;
		device->answer = MEMCTL_ACK;
		break;
	case MEMCTL_READY:
		device->answer = MEMCTL_ACK;
		break;
	default:
		device->channels = 0;
		device->answer = MEMCTL_ERROR;
		break;
	}
	if (is_mute(device))
		device->answer = 0;
}

uint64_t abi_version(void)
{
	return (uint64_t)MEMCTL_ABI_MAGIC << 32 | MEMCTL_ABI_VERSION;
}

memctl_status pci_identity(struct memctl_pci_identity *identity)
{
	identity->vendor_id = 0x1ae0;
	identity->device_id = 0x0087;
	identity->subsystem_vendor_id = 0x1ae0;
	identity->subsystem_id = 0x011f;
	identity->base_class = 0x08;
	identity->subclass = 0x80;
	identity->programming_interface = 0;
	identity->revision = 1;
	identity->bar_size = 4096;
	return MEMCTL_OK;
}

size_t last_error(char *buffer, size_t capacity)
{
	if (capacity)
		buffer[0] = '\0';
	return 0;
}

memctl_status check_options(const char *options, size_t options_length)
{
	static const char moves[] = "moves=on";

	if (options_length && (options_length != strlen(moves) || memcmp(options, moves, options_length)))
		return MEMCTL_INVALID_ARGUMENT;
	return MEMCTL_OK;
}

memctl_status device_create(const struct memctl_host *host, const char *options,
			    size_t options_length, memctl_device **device)
{
	(void)host;
	if (check_options(options, options_length))
		return MEMCTL_INVALID_ARGUMENT;
	*device = calloc(1, sizeof(**device));
	if (!*device)
		return MEMCTL_LIMIT_REACHED;
	(*device)->answer = MEMCTL_ERROR;
	(*device)->moves = options_length;
	return MEMCTL_OK;
}

memctl_status device_destroy(memctl_device *device)
{
	free(device);
	return MEMCTL_OK;
}

memctl_status device_reset(memctl_device *device)
{
	device->channels = 0;
	device->answer = MEMCTL_ERROR;
	return MEMCTL_OK;
}

memctl_status register_memory(memctl_device *device, const struct memctl_region *region)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		if (!device->regions[i].length) {
			device->regions[i] = *region;
			return MEMCTL_OK;
		}
	}
	return MEMCTL_LIMIT_REACHED;
}

memctl_status unregister_memory(memctl_device *device, uint64_t guest_address, uint64_t length)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		struct memctl_region *region = &device->regions[i];

		if (region->guest_address == guest_address && region->length == length) {
			memset(region, 0, sizeof(*region));
			return MEMCTL_OK;
		}
	}
	return MEMCTL_NOT_FOUND;
}

memctl_status mmio_read(memctl_device *device, uint64_t offset, uint8_t *data, size_t length)
{
	struct {
		uint64_t payload;
		uint32_t command, padding;
	} registers = { device->payload, device->answer, 0 };

	memset(data, 0, length);
	if (offset < sizeof(registers) && length <= sizeof(registers) - offset)
		memcpy(data, (uint8_t *)&registers + offset, length);
	return MEMCTL_OK;
}

memctl_status mmio_write(memctl_device *device, uint64_t offset, const uint8_t *data,
			 size_t length)
{
	uint32_t command;

	if (offset < MEMCTL_COMMAND && length <= MEMCTL_COMMAND - offset) {
		memcpy((uint8_t *)&device->payload + offset, data, length);
		return MEMCTL_OK;
	}
	if (offset != MEMCTL_COMMAND || length != sizeof(command))
		return MEMCTL_IGNORED_ACCESS;
	memcpy(&command, data, sizeof(command));
	if (command >= MEMCTL_FIRST_CHANNEL)
		request(device, command - MEMCTL_FIRST_CHANNEL);
	else
		transport(device, command);
	return MEMCTL_OK;
}

memctl_status device_statistics(memctl_device *device, struct memctl_counter *counters,
				size_t capacity, size_t *count)
{
	const struct memctl_counter all[] = {
		{ "singles", device->singles }, { "lists", device->lists },
	};

	*count = sizeof(all) / sizeof(all[0]);
	if (capacity < *count)
		return MEMCTL_BUFFER_TOO_SMALL;
	memcpy(counters, all, sizeof(all));
	return MEMCTL_OK;
}

/* What the suite's VMM has no use for here, but looks up. */

void attach_thread(void)
{
}

memctl_status plug_memory(memctl_device *device, uint64_t guest_address, uint64_t length)
{
	(void)device;
	(void)guest_address;
	(void)length;
	return MEMCTL_NOT_FOUND;
}

memctl_status unplug_memory(memctl_device *device, uint64_t guest_address, uint64_t length)
{
	return plug_memory(device, guest_address, length);
}

memctl_status device_attributes(memctl_device *device, struct memctl_extent *extents,
				size_t capacity, size_t *count)
{
	(void)device;
	(void)extents;
	(void)capacity;
	*count = 0;
	return MEMCTL_OK;
}

memctl_status device_report(memctl_device *device, char *buffer, size_t capacity,
			    size_t *length)
{
	(void)device;
	*length = 2;
	if (capacity < 2)
		return MEMCTL_BUFFER_TOO_SMALL;
	buffer[0] = '{';
	buffer[1] = '}';
	return MEMCTL_OK;
}

memctl_status set_dirty_logging(memctl_device *device, uint32_t enabled)
{
	(void)device;
	(void)enabled;
	return MEMCTL_INVALID_ARGUMENT;
}

memctl_status inhibit_discard(memctl_device *device, uint32_t enabled)
{
	(void)device;
	(void)enabled;
	return MEMCTL_OK;
}

memctl_status keep_readable(memctl_device *device, uint32_t enabled)
{
	(void)device;
	(void)enabled;
	return MEMCTL_OK;
}

memctl_status keep_accessible(memctl_device *device, uint32_t enabled)
{
	return keep_readable(device, enabled);
}

memctl_status resolve_fault(memctl_device *device, uint64_t guest_address)
{
	(void)device;
	(void)guest_address;
	return MEMCTL_NOT_FOUND;
}

memctl_status device_save(memctl_device *device, uint8_t *buffer, size_t capacity,
			  size_t *length)
{
	(void)device;
	(void)buffer;
	(void)capacity;
	(void)length;
	return MEMCTL_INTERNAL_ERROR;
}

memctl_status device_restore(memctl_device *device, const uint8_t *state, size_t length)
{
	(void)device;
	(void)state;
	(void)length;
	return MEMCTL_INVALID_STATE;
}
