// SPDX-License-Identifier: GPL-2.0
/*
 * A memctl plugin whose device breaks in a way of its own each time that a
 * driver connects, which is counted by RESETs. In the end it is sound, except
 * that it does nothing to memory. For guests with one vCPU: there is no lock.
 */
#include <memctl_plugin.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/protocol.h"

#define ALL (~0U)
#define MAX_CHANNELS 64
#define MAX_REGIONS 8
#define BUFFER_LENGTH 32

struct conduct {
	unsigned int answers;	/* requests of a connection that are answered */
	bool mute;		/* transport commands are not */
	struct memctl_buf info;	/* the answer to INFO */
};

#define SOUND_INFO .info.info = { .major_version = 1, .page_size = 4096 }

static const struct conduct conducts[] = {
	{ ALL, SOUND_INFO },	/* no connection yet */
	{ 10, SOUND_INFO },
	{ 0 },
	{ 0, .mute = true },
	{ ALL, .info.info = { .ret_errno = EOPNOTSUPP, .major_version = 1, .page_size = 4096 } },
	{ ALL, .info.info = { .major_version = 2, .page_size = 4096 } },
	/* As in the dialect pvmemcontrol. */
	{ ALL, .info.ret = { .ret_value = 4096, .arg0 = 1 } },
	{ ALL, SOUND_INFO },
};

#define LAST_CONDUCT (sizeof(conducts) / sizeof(conducts[0]) - 1)

struct memctl_device {
	struct memctl_region regions[MAX_REGIONS];
	uint64_t payload, buffers[MAX_CHANNELS];
	uint32_t answer;
	unsigned int conduct, channels, answered;
};

static uint8_t *host_address(const memctl_device *device, uint64_t guest_address)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct memctl_region *region = &device->regions[i];
		uint64_t offset = guest_address - region->guest_address;

		if (guest_address >= region->guest_address && offset < region->length &&
		    BUFFER_LENGTH <= region->length - offset)
			return (uint8_t *)region->host_address + offset;
	}
	return NULL;
}

static void request(memctl_device *device, uint32_t channel)
{
	const struct conduct *conduct = &conducts[device->conduct];
	static const struct memctl_buf success;
	struct memctl_buf buf;
	uint8_t *place;

	if (channel >= device->channels || device->answered >= conduct->answers)
		return;
	place = host_address(device, device->buffers[channel]);
	memcpy(&buf, place, sizeof(buf));
	memcpy(place, buf.call.func_code == MEMCTL_INFO ? &conduct->info : &success, sizeof(buf));
	device->answered++;
}

static void transport(memctl_device *device, uint32_t command)
{
	switch (command) {
	case MEMCTL_RESET:
		device->conduct += device->conduct < LAST_CONDUCT;
		device->answered = 0;
		device->channels = 0;
		device->answer = MEMCTL_ACK;
		break;
	case MEMCTL_REGISTER:
		if (device->channels == MAX_CHANNELS ||
		    !host_address(device, device->payload)) {
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
	if (conducts[device->conduct].mute)
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

memctl_status device_create(const struct memctl_host *host, const char *options,
			    size_t options_length, memctl_device **device)
{
	(void)host;
	(void)options;
	if (options_length)
		return MEMCTL_INVALID_ARGUMENT;
	*device = calloc(1, sizeof(**device));
	if (!*device)
		return MEMCTL_LIMIT_REACHED;
	(*device)->answer = MEMCTL_ERROR;
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
	(void)device;
	(void)counters;
	(void)capacity;
	*count = 0;
	return MEMCTL_OK;
}

/* What the suite's VMM has no use for here, but looks up. */

void attach_thread(void)
{
}

memctl_status check_options(const char *options, size_t options_length)
{
	(void)options;
	return options_length ? MEMCTL_INVALID_ARGUMENT : MEMCTL_OK;
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
