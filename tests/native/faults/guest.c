// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "faults.h"

#include "guest_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct callbacks callbacks;

static void wait_to_go_on(void)
{
	sem_post(&callbacks.blocked);
	while (sem_wait(&callbacks.go_on))
		continue;
}

static void on_log(void *context, uint32_t level, const char *target, size_t target_length, const char *message,
		   size_t message_length)
{
	(void)context;
	(void)level;
	(void)target;
	(void)target_length;
	(void)message;
	(void)message_length;
	callbacks.logs++;
	if (callbacks.log_blocks)
		wait_to_go_on();
}

static void on_dirty(void *context, uint64_t guest_address, uint64_t length)
{
	(void)context;
	(void)guest_address;
	(void)length;
	callbacks.dirty++;
}

static int32_t copy(void *context, void *destination, const void *source, size_t length)
{
	if (callbacks.copy_blocks)
		wait_to_go_on();
	return callbacks.copies_fail ? EFAULT : guest_copy(context, destination, source, length);
}

struct guest guest_start(const char *options, unsigned int regions)
{
	static const struct memctl_host host = {
		.size = sizeof(host),
		.abi_version = MEMCTL_ABI_VERSION,
		.log = on_log,
		.log_level = MEMCTL_LOG_WARN,
		.dirty = on_dirty,
		.copy_from_guest = copy,
		.copy_to_guest = copy,
	};
	struct guest guest = { .regions = regions, .buffer = GUEST_BASE };

	guest.device = plugin_create(&host, options);
	for (unsigned int region = 0; region < regions; region++) {
		/* One more page, inaccessible, so that no two regions share a mapping. */
		uint8_t *at = mmap(NULL, REGION_BYTES + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		guest.memory[region] = at;
		if (at == MAP_FAILED || mmap(at, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
					     -1, 0) != at ||
		    plugin_register(guest.device, GUEST_BASE + region * REGION_BYTES, REGION_BYTES, at) != MEMCTL_OK)
			abort();
	}
	if (!guest_connect(&guest, GUEST_BASE))
		abort();
	return guest;
}

void guest_end(struct guest *guest)
{
	plugin.device_destroy(guest->device);
	guest_unmap(guest);
}

void guest_unmap(struct guest *guest)
{
	for (unsigned int region = 0; region < guest->regions; region++)
		munmap(guest->memory[region], REGION_BYTES + PAGE);
}

memctl_status guest_command(const struct guest *guest, uint32_t command)
{
	uint8_t data[4];

	memcpy(data, &command, sizeof(data));
	return plugin.mmio_write(guest->device, REGISTER_COMMAND, data, sizeof(data));
}

bool guest_connect(const struct guest *guest, uint64_t buffer)
{
	uint8_t data[8];
	uint32_t answer;

	guest_command(guest, COMMAND_RESET);
	memcpy(data, &buffer, sizeof(data));
	plugin.mmio_write(guest->device, REGISTER_PAYLOAD, data, sizeof(data));
	guest_command(guest, COMMAND_REGISTER);
	guest_command(guest, COMMAND_READY);
	plugin.mmio_read(guest->device, REGISTER_COMMAND, data, sizeof(answer));
	memcpy(&answer, data, sizeof(answer));
	return answer == COMMAND_ACK;
}

static uint8_t *at(const struct guest *guest, uint64_t address)
{
	return guest->memory[(address - GUEST_BASE) / REGION_BYTES] + (address - GUEST_BASE) % REGION_BYTES;
}

uint64_t guest_ask(const struct guest *guest, uint64_t code, uint64_t addr, uint64_t length)
{
	uint64_t call[4] = { code, addr, length, 7 };
	uint64_t *buffer = (uint64_t *)(void *)at(guest, guest->buffer);

	memcpy(buffer, call, sizeof(call));
	if (guest_command(guest, COMMAND_CHANNEL) != MEMCTL_OK || (code && (buffer[1] || buffer[2] || buffer[3])))
		return UINT64_MAX;
	return buffer[0];
}

bool guest_can_write(const struct guest *guest, uint64_t address)
{
	uint8_t byte = 1;

	return guest_copy(NULL, at(guest, address), &byte, 1) == 0;
}

long locked_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long locked = -1;

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "VmLck: %ld", &locked);
	if (status)
		fclose(status);
	return locked;
}

bool guest_is_well(struct guest *guest)
{
	uint64_t address = GUEST_BASE + 2 * PAGE;
	uint64_t *page = (uint64_t *)(void *)at(guest, address);
	long locked = locked_kib();
	bool well = guest_ask(guest, CODE_INFO, 0, 0) == 0 && guest_ask(guest, CODE_RW, address, PAGE) == 0;

	*page = 42;
	well = well && guest_ask(guest, CODE_DONTNEED, address, PAGE) == 0 && *page == 0;
	well = well && guest_ask(guest, CODE_NONE, address, PAGE) == 0 && !guest_can_write(guest, address);
	well = well && guest_ask(guest, CODE_RW, address, PAGE) == 0 && guest_can_write(guest, address);
	well = well && guest_ask(guest, CODE_MLOCK, address, PAGE) == 0 && locked_kib() == locked + 4;
	return well && guest_ask(guest, CODE_MUNLOCK, address, PAGE) == 0 && locked_kib() == locked;
}
