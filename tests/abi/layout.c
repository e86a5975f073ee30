/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the ABI as the C compiler sees it, a fact a line: "STRUCT size N", "STRUCT.FIELD at N, N bytes", "CONSTANT = N".
 * The tests of the Rust and the C# side run it and compare; neither can leave out a field, so neither can this.
 */
#include <inttypes.h>
#include <stdio.h>

#include "memctl_plugin.h"

#define STRUCT(name) printf(#name " size %zu\n", sizeof(struct name))
#define FIELD(name, field)                                                                                \
	printf(#name "." #field " at %zu, %zu bytes\n", offsetof(struct name, field), sizeof(((struct name *)0)->field))
#define CONSTANT(name) printf(#name " = %" PRIu64 "\n", (uint64_t)(name))

int main(void)
{
	STRUCT(memctl_host);
	FIELD(memctl_host, size);
	FIELD(memctl_host, abi_version);
	FIELD(memctl_host, context);
	FIELD(memctl_host, log);
	FIELD(memctl_host, log_level);
	FIELD(memctl_host, reserved);
	FIELD(memctl_host, dirty);
	FIELD(memctl_host, copy_from_guest);
	FIELD(memctl_host, copy_to_guest);

	STRUCT(memctl_region);
	FIELD(memctl_region, size);
	FIELD(memctl_region, flags);
	FIELD(memctl_region, guest_address);
	FIELD(memctl_region, length);
	FIELD(memctl_region, host_address);
	FIELD(memctl_region, block_size);

	STRUCT(memctl_pci_identity);
	FIELD(memctl_pci_identity, size);
	FIELD(memctl_pci_identity, vendor_id);
	FIELD(memctl_pci_identity, device_id);
	FIELD(memctl_pci_identity, subsystem_vendor_id);
	FIELD(memctl_pci_identity, subsystem_id);
	FIELD(memctl_pci_identity, base_class);
	FIELD(memctl_pci_identity, subclass);
	FIELD(memctl_pci_identity, programming_interface);
	FIELD(memctl_pci_identity, revision);
	FIELD(memctl_pci_identity, bar_size);

	STRUCT(memctl_counter);
	FIELD(memctl_counter, name);
	FIELD(memctl_counter, value);

	STRUCT(memctl_extent);
	FIELD(memctl_extent, guest_address);
	FIELD(memctl_extent, length);
	FIELD(memctl_extent, protection);
	FIELD(memctl_extent, flags);
	FIELD(memctl_extent, name);

	CONSTANT(MEMCTL_ABI_MAGIC);
	CONSTANT(MEMCTL_ABI_VERSION_MAJOR);
	CONSTANT(MEMCTL_ABI_VERSION_MINOR);
	CONSTANT(MEMCTL_ABI_VERSION);
	CONSTANT(MEMCTL_OK);
	CONSTANT(MEMCTL_INVALID_ARGUMENT);
	CONSTANT(MEMCTL_INVALID_HANDLE);
	CONSTANT(MEMCTL_INVALID_SIZE);
	CONSTANT(MEMCTL_UNSUPPORTED_VERSION);
	CONSTANT(MEMCTL_IGNORED_ACCESS);
	CONSTANT(MEMCTL_OVERLAP);
	CONSTANT(MEMCTL_NOT_FOUND);
	CONSTANT(MEMCTL_LIMIT_REACHED);
	CONSTANT(MEMCTL_INVALID_STATE);
	CONSTANT(MEMCTL_HOST_CALL_FAILED);
	CONSTANT(MEMCTL_BUFFER_TOO_SMALL);
	CONSTANT(MEMCTL_INTERNAL_ERROR);
	CONSTANT(MEMCTL_DENIED);
	CONSTANT(MEMCTL_ADDRESS_UNKNOWN);
	CONSTANT(MEMCTL_LOG_OFF);
	CONSTANT(MEMCTL_LOG_ERROR);
	CONSTANT(MEMCTL_LOG_WARN);
	CONSTANT(MEMCTL_LOG_INFO);
	CONSTANT(MEMCTL_LOG_DEBUG);
	CONSTANT(MEMCTL_LOG_TRACE);
	CONSTANT(MEMCTL_REGION_MERGEABLE);
	CONSTANT(MEMCTL_REGION_DONTDUMP);
	CONSTANT(MEMCTL_EXTENT_LOCKED);
	CONSTANT(MEMCTL_EXTENT_DONTDUMP);
	CONSTANT(MEMCTL_EXTENT_MERGEABLE);
	CONSTANT(MEMCTL_EXTENT_UNMERGEABLE);
	return 0;
}
