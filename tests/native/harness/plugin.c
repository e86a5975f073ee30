// SPDX-License-Identifier: Apache-2.0
#include "plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COUNTERS 128

struct plugin plugin;

static void *symbol(void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (!found) {
		fprintf(stderr, "the library lacks %s\n", name);
		exit(1);
	}
	return found;
}

/* POSIX has function pointers and object pointers convertible; ISO C only lets the bytes be copied. */
#define LOAD(name)                                              \
	do {                                                    \
		void *found = symbol(library, #name);           \
		memcpy(&plugin.name, &found, sizeof(found));    \
	} while (0)

void plugin_load(void)
{
	const char *out = getenv("MEMCTL_OUT");
	char path[4096];
	void *library;

	if (plugin.abi_version)
		return;
	snprintf(path, sizeof(path), "%s/libmemctl.so", out ? out : "out");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	LOAD(abi_version);
	LOAD(attach_thread);
	LOAD(last_error);
	LOAD(pci_identity);
	LOAD(check_options);
	LOAD(device_create);
	LOAD(device_destroy);
	LOAD(device_reset);
	LOAD(register_memory);
	LOAD(unregister_memory);
	LOAD(plug_memory);
	LOAD(unplug_memory);
	LOAD(mmio_read);
	LOAD(mmio_write);
	LOAD(set_dirty_logging);
	LOAD(inhibit_discard);
	LOAD(keep_readable);
	LOAD(keep_accessible);
	LOAD(resolve_fault);
	LOAD(device_save);
	LOAD(device_restore);
	LOAD(device_statistics);
	LOAD(device_attributes);
	LOAD(device_report);
	if (plugin.abi_version() >> 32 != MEMCTL_ABI_MAGIC) {
		fprintf(stderr, "%s is no memctl plugin\n", path);
		exit(1);
	}
}

uint64_t plugin_counter(memctl_device *device, const char *name)
{
	struct memctl_counter counters[MAX_COUNTERS];
	size_t count = 0;

	if (plugin.device_statistics(device, counters, MAX_COUNTERS, &count) != MEMCTL_OK)
		return UINT64_MAX;
	for (size_t index = 0; index < count; index++) {
		if (strcmp(counters[index].name, name) == 0)
			return counters[index].value;
	}
	return UINT64_MAX;
}

memctl_device *plugin_create(const struct memctl_host *host, const char *options)
{
	memctl_device *device = NULL;
	char message[256];

	if (plugin.device_create(host, options, strlen(options), &device) != MEMCTL_OK) {
		plugin.last_error(message, sizeof(message));
		fprintf(stderr, "device_create: %s\n", message);
		exit(1);
	}
	return device;
}

memctl_status plugin_register(memctl_device *device, uint64_t guest_address, uint64_t length, void *host_address)
{
	struct memctl_region region = {
		.size = sizeof(region),
		.guest_address = guest_address,
		.length = length,
		.host_address = host_address,
	};

	return plugin.register_memory(device, &region);
}
