/* SPDX-License-Identifier: Apache-2.0 */
/* The real library, loaded as a VMM loads it. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include "memctl_plugin.h"

/* Every export, under its own name. */
struct plugin {
	__typeof__(abi_version) *abi_version;
	__typeof__(attach_thread) *attach_thread;
	__typeof__(last_error) *last_error;
	__typeof__(pci_identity) *pci_identity;
	__typeof__(check_options) *check_options;
	__typeof__(device_create) *device_create;
	__typeof__(device_destroy) *device_destroy;
	__typeof__(device_reset) *device_reset;
	__typeof__(register_memory) *register_memory;
	__typeof__(unregister_memory) *unregister_memory;
	__typeof__(plug_memory) *plug_memory;
	__typeof__(unplug_memory) *unplug_memory;
	__typeof__(mmio_read) *mmio_read;
	__typeof__(mmio_write) *mmio_write;
	__typeof__(set_dirty_logging) *set_dirty_logging;
	__typeof__(inhibit_discard) *inhibit_discard;
	__typeof__(keep_readable) *keep_readable;
	__typeof__(keep_accessible) *keep_accessible;
	__typeof__(resolve_fault) *resolve_fault;
	__typeof__(device_save) *device_save;
	__typeof__(device_restore) *device_restore;
	__typeof__(device_statistics) *device_statistics;
	__typeof__(device_attributes) *device_attributes;
	__typeof__(device_report) *device_report;
};

extern struct plugin plugin;

/* Loads $MEMCTL_OUT/libmemctl.so and starts its runtime; ends the process with a message if it can't. */
void plugin_load(void);

/* The value of a device's counter, or UINT64_MAX if it has none of that name. */
uint64_t plugin_counter(memctl_device *device, const char *name);

/* device_create() with options as a string; ends the process if it fails. */
memctl_device *plugin_create(const struct memctl_host *host, const char *options);

/* register_memory() of a region without flags. */
memctl_status plugin_register(memctl_device *device, uint64_t guest_address, uint64_t length, void *host_address);

#endif
