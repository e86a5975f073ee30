/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VMM in C that knows the header and nothing else: loads the library, makes a device, registers memory and plays a
 * guest that connects, asks for INFO, discards a page and protects others. Prints "host: ok", or the failed check.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memctl_plugin.h"

#define PAGE ((size_t)4096)
#define RAM UINT64_C(0x40000000)
#define RAM_PAGES ((size_t)16)

#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			printf("host: %s:%d: %s\n", __FILE__, __LINE__, #condition);     \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

/* Object pointers and function pointers are of one size where dlsym() exists; C has no cast between them. */
#define RESOLVE(library, name)                                                           \
	do {                                                                             \
		void *symbol_ = dlsym(library, #name);                                   \
		CHECK(symbol_ != NULL);                                                  \
		memcpy(&api.name, &symbol_, sizeof(symbol_));                            \
	} while (0)

/* The types are the header's own declarations, so a pointer here cannot differ from what the library promises. */
static struct {
	__typeof__(&abi_version) abi_version;
	__typeof__(&attach_thread) attach_thread;
	__typeof__(&last_error) last_error;
	__typeof__(&pci_identity) pci_identity;
	__typeof__(&check_options) check_options;
	__typeof__(&device_create) device_create;
	__typeof__(&device_destroy) device_destroy;
	__typeof__(&register_memory) register_memory;
	__typeof__(&unregister_memory) unregister_memory;
	__typeof__(&mmio_read) mmio_read;
	__typeof__(&mmio_write) mmio_write;
	__typeof__(&plug_memory) plug_memory;
	__typeof__(&unplug_memory) unplug_memory;
	__typeof__(&set_dirty_logging) set_dirty_logging;
	__typeof__(&device_statistics) device_statistics;
	__typeof__(&device_attributes) device_attributes;
	__typeof__(&device_report) device_report;
} api;

static unsigned int log_records;
static uint64_t dirty_bytes;

static void take_log(void *context, uint32_t level, const char *target, size_t target_length, const char *message,
		     size_t message_length)
{
	CHECK(context == &api);
	CHECK(level >= MEMCTL_LOG_ERROR && level <= MEMCTL_LOG_INFO);
	CHECK(target != NULL && target_length > 0 && message != NULL && message_length > 0);
	log_records++;
}

static void take_dirty(void *context, uint64_t guest_address, uint64_t length)
{
	CHECK(context == &api);
	CHECK(guest_address >= RAM && guest_address + length <= RAM + RAM_PAGES * PAGE);
	dirty_bytes += length;
}

static uint32_t load_register(memctl_device *device, uint64_t offset)
{
	uint8_t bytes[4];
	uint32_t value;

	CHECK(api.mmio_read(device, offset, bytes, sizeof(bytes)) == MEMCTL_OK);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void store_command(memctl_device *device, uint32_t command)
{
	uint8_t bytes[4];

	memcpy(bytes, &command, sizeof(command));
	CHECK(api.mmio_write(device, 8, bytes, sizeof(bytes)) == MEMCTL_OK);
}

static uint32_t transport(memctl_device *device, uint32_t command)
{
	store_command(device, command);
	return load_register(device, 8);
}

static void request(memctl_device *device, uint32_t channel, uint64_t *buffer, uint64_t func_code, uint64_t addr,
		    uint64_t length)
{
	buffer[0] = func_code;
	buffer[1] = addr;
	buffer[2] = length;
	buffer[3] = 0;
	store_command(device, channel);
	CHECK(buffer[0] == 0); /* ret_errno and ret_code */
}

static uint64_t counter(memctl_device *device, const char *name)
{
	struct memctl_counter counters[128];
	size_t count;

	CHECK(api.device_statistics(device, counters, 128, &count) == MEMCTL_OK);
	for (size_t i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	CHECK(!"the counter exists");
	return 0;
}

static void drive(memctl_device *device, uint8_t *ram)
{
	const uint32_t ack = 0x03CF5196;
	uint64_t *buffer = (uint64_t *)ram;
	uint64_t address = RAM;
	struct memctl_extent extent;
	char report[16384], expected[128];
	uint32_t channel;
	size_t count;

	CHECK(transport(device, 0x060FE6D2 /* RESET */) == ack);
	CHECK(api.mmio_write(device, 0, (const uint8_t *)&address, sizeof(address)) == MEMCTL_OK);
	CHECK(transport(device, 0x0E359539 /* REGISTER */) == ack);
	channel = load_register(device, 0);
	CHECK(channel & 0x80000000u);
	CHECK(transport(device, 0x0CA8D227 /* READY */) == ack);

	request(device, channel, buffer, 0 /* INFO */, 0, 0);
	CHECK(buffer[3] == PAGE);
	CHECK(dirty_bytes == 0);

	CHECK(api.set_dirty_logging(device, 1) == MEMCTL_OK);
	ram[PAGE] = 1;
	request(device, channel, buffer, 1 /* DONTNEED */, RAM + PAGE, PAGE);
	CHECK(ram[PAGE] == 0);
	CHECK(dirty_bytes >= PAGE + 32);
	CHECK(counter(device, "requests_DONTNEED") == 1);

	request(device, channel, buffer, 10 /* MPROTECT_R */, RAM + 2 * PAGE, 3 * PAGE);
	CHECK(api.device_attributes(device, &extent, 0, &count) == MEMCTL_BUFFER_TOO_SMALL && count == 1);
	CHECK(api.device_attributes(device, &extent, 1, &count) == MEMCTL_OK && count == 1);
	CHECK(extent.guest_address == RAM + 2 * PAGE && extent.length == 3 * PAGE);
	CHECK(extent.protection == PROT_READ && extent.flags == 0 && extent.name == 0);

	CHECK(api.device_report(device, NULL, 0, &count) == MEMCTL_BUFFER_TOO_SMALL && count < sizeof(report));
	CHECK(api.device_report(device, report, sizeof(report) - 1, &count) == MEMCTL_OK);
	report[count] = '\0';
	CHECK(report[0] == '{' && report[count - 1] == '}');
	CHECK(strstr(report, "\"requests_DONTNEED\":1,") != NULL);
	snprintf(expected, sizeof(expected), "{\"guest_address\":%lu,\"length\":%lu,\"host_address\":%" PRIuPTR "}", RAM,
		 RAM_PAGES * PAGE, (uintptr_t)ram);
	CHECK(strstr(report, expected) != NULL);
	snprintf(expected, sizeof(expected), "{\"guest_address\":%lu,\"length\":%lu,\"protection\":\"r\"}", RAM + 2 * PAGE,
		 3 * PAGE);
	CHECK(strstr(report, expected) != NULL);
}

int main(int argc, char **argv)
{
	struct memctl_host host = {
		.size = sizeof(host),
		.abi_version = MEMCTL_ABI_VERSION,
		.context = &api,
		.log = take_log,
		.log_level = MEMCTL_LOG_INFO,
		.dirty = take_dirty,
	};
	struct memctl_region region = { .size = sizeof(region), .guest_address = RAM, .length = RAM_PAGES * PAGE };
	struct memctl_pci_identity identity = { .size = sizeof(identity) };
	memctl_device *device = NULL;
	char message[256];
	void *library;

	CHECK(argc == 2);
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL);
	RESOLVE(library, abi_version);
	CHECK(api.abi_version() >> 32 == MEMCTL_ABI_MAGIC);
	CHECK((uint32_t)api.abi_version() == MEMCTL_ABI_VERSION);
	RESOLVE(library, attach_thread);
	RESOLVE(library, last_error);
	RESOLVE(library, pci_identity);
	RESOLVE(library, check_options);
	RESOLVE(library, device_create);
	RESOLVE(library, device_destroy);
	RESOLVE(library, register_memory);
	RESOLVE(library, unregister_memory);
	RESOLVE(library, mmio_read);
	RESOLVE(library, mmio_write);
	RESOLVE(library, plug_memory);
	RESOLVE(library, unplug_memory);
	RESOLVE(library, set_dirty_logging);
	RESOLVE(library, device_statistics);
	RESOLVE(library, device_attributes);
	RESOLVE(library, device_report);
	api.attach_thread();

	CHECK(api.pci_identity(&identity) == MEMCTL_OK);
	CHECK(identity.vendor_id == 0x1ae0 && identity.device_id == 0x0087);
	CHECK(identity.subsystem_vendor_id == 0x1ae0 && identity.subsystem_id == 0x011f);
	CHECK(identity.base_class == 0x08 && identity.subclass == 0x80);
	CHECK(identity.programming_interface == 0 && identity.revision == 1);
	CHECK(identity.bar_size == PAGE);

	CHECK(api.check_options("channels=4", 10) == MEMCTL_OK);
	CHECK(api.check_options("chanels=4", 9) == MEMCTL_INVALID_ARGUMENT);
	CHECK(api.device_create(&host, "chanels=4", 9, &device) == MEMCTL_INVALID_ARGUMENT);
	CHECK(device == NULL);
	CHECK(api.last_error(message, sizeof(message)) == strlen(message));
	CHECK(strstr(message, "chanels") != NULL);
	CHECK(api.device_create(&host, "channels=4", 10, &device) == MEMCTL_OK);

	region.host_address = mmap(NULL, region.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(region.host_address != MAP_FAILED);
	CHECK(api.register_memory(device, &region) == MEMCTL_OK);
	CHECK(api.register_memory(device, &region) == MEMCTL_OVERLAP);
	drive(device, region.host_address);
	CHECK(api.unregister_memory(device, RAM, region.length) == MEMCTL_OK);
	CHECK(munmap(region.host_address, region.length) == 0);
	CHECK(api.device_destroy(device) == MEMCTL_OK);
	CHECK(api.device_destroy(device) == MEMCTL_INVALID_HANDLE);
	CHECK(log_records > 0);
	printf("host: ok\n");
	return 0;
}
