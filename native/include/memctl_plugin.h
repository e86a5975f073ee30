/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C ABI of libmemctl.so, the memctl paravirtual memory device as a VMM plugin.
 *
 * A VMM needs nothing but this header:
 *
 *   1. dlopen() the library first thing in main(), with RTLD_NOW | RTLD_LOCAL, and call abi_version().
 *      That starts the library's runtime: do it before any seccomp filter or Landlock rule is in
 *      force, and install the VMM's own signal handlers afterwards. Never dlclose() it.
 *   2. Make a PCI function from pci_identity().
 *   3. device_create(), then register_memory() for every region of guest RAM.
 *   4. attach_thread() on every vCPU thread when it starts.
 *   5. Route the guest's accesses to BAR 0 to mmio_read() and mmio_write(), from any vCPU thread. A
 *      request is complete when mmio_write() returns; there is no interrupt and no queue.
 *   6. unregister_memory() before guest RAM is unmapped; device_destroy() at the end.
 *
 * Threads. Every function may be called from any thread. mmio_read(), mmio_write() and last_error() take no
 * lock that a call on another channel takes, except for requests that change attributes of mappings (the kernel
 * serialises those too). The library serialises the other functions for each device; they may run while requests
 * do. No function may be called from inside a callback. A thread's first call unblocks SIGRTMIN in it, unless that is
 * attach_thread(), and a garbage collection sends that signal to threads inside the library: keep a handler for it
 * installed, or ignore it.
 *
 * Errors. A function that can fail returns a memctl_status; last_error() then returns one sentence for the
 * calling thread. The device answers a guest's errors to the guest: here they are MEMCTL_OK or MEMCTL_IGNORED_ACCESS.
 *
 * Versions. Structures carry their size first and only ever grow at the end: a library accepts every
 * structure at least as long as that of version 1.0 and takes missing fields as zero. memctl_counter and
 * memctl_extent are elements of arrays: their layout never changes. A change of the major version breaks
 * callers; a minor version adds functions, options, counters, flags or trailing fields.
 */
#ifndef MEMCTL_PLUGIN_H
#define MEMCTL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMCTL_ABI_MAGIC 0x4d454d43u /* "MEMC" */
#define MEMCTL_ABI_VERSION_MAJOR 1u
#define MEMCTL_ABI_VERSION_MINOR 0u
#define MEMCTL_ABI_VERSION ((MEMCTL_ABI_VERSION_MAJOR << 16) | MEMCTL_ABI_VERSION_MINOR)

/* One enumeration for all functions, each value with one meaning. */
typedef uint32_t memctl_status;

#define MEMCTL_OK 0u
#define MEMCTL_INVALID_ARGUMENT 1u    /* a null pointer, a bad length, alignment, range or option */
#define MEMCTL_INVALID_HANDLE 2u      /* null, never created, or destroyed */
#define MEMCTL_INVALID_SIZE 3u        /* a structure's size is less than that of version 1.0 */
#define MEMCTL_UNSUPPORTED_VERSION 4u /* the caller was built for an ABI that the library does not offer */
#define MEMCTL_IGNORED_ACCESS 5u      /* the guest's access has no meaning; the device counted it and changed nothing */
#define MEMCTL_OVERLAP 6u             /* the region overlaps a registered one */
#define MEMCTL_NOT_FOUND 7u           /* no such region is registered, or the guest has protected nothing there */
#define MEMCTL_LIMIT_REACHED 8u       /* too many devices in the process, regions in the device, or mappings */
#define MEMCTL_INVALID_STATE 9u       /* a saved state is damaged, foreign, or does not fit the device */
#define MEMCTL_HOST_CALL_FAILED 10u   /* the kernel refused a call on guest memory; the message contains its errno */
#define MEMCTL_BUFFER_TOO_SMALL 11u   /* the library stored the length that it needs */
#define MEMCTL_INTERNAL_ERROR 12u     /* a defect in the library; the device goes on as far as it can */
#define MEMCTL_DENIED 13u             /* the operator's options do not allow it */

/* Levels of log records, in the order of syslog's severities. */
#define MEMCTL_LOG_OFF 0u
#define MEMCTL_LOG_ERROR 1u
#define MEMCTL_LOG_WARN 2u
#define MEMCTL_LOG_INFO 3u
#define MEMCTL_LOG_DEBUG 4u
#define MEMCTL_LOG_TRACE 5u

/*
 * A device. The value is opaque, not an address: the library checks every handle, so a null, stale or
 * invented one is MEMCTL_INVALID_HANDLE. Devices of one process are independent.
 */
typedef struct memctl_device memctl_device;

/*
 * What the VMM offers to a device. device_create() copies it; the context and the functions must stay valid
 * until device_destroy() has returned. Callbacks run on the thread whose call caused them, several at once,
 * must not unwind, and must not call back into the library.
 */
struct memctl_host {
	uint32_t size;        /* sizeof(struct memctl_host) */
	uint32_t abi_version; /* MEMCTL_ABI_VERSION that the VMM was compiled with */
	void *context;        /* first argument of every callback; may be null */

	/*
	 * Takes a log record; null for no log. Target and message are UTF-8, not terminated, valid during the call.
	 * The device limits the rate of records that a guest can cause. It holds no lock during the call; a slow
	 * callback delays only the vCPU that caused the record.
	 */
	void (*log)(void *context, uint32_t level, const char *target, size_t target_length,
		    const char *message, size_t message_length);
	uint32_t log_level; /* minimum severity to deliver: MEMCTL_LOG_OFF to MEMCTL_LOG_TRACE */
	uint32_t reserved;  /* zero */

	/*
	 * The device has changed guest memory [guest_address, guest_address + length): an answer it
	 * wrote, or a range that it discarded. Called after the change, while set_dirty_logging() is on.
	 * May be null if dirty logging is never switched on.
	 */
	void (*dirty)(void *context, uint64_t guest_address, uint64_t length);

	/*
	 * Copy between guest memory and the device's own. They survive an access fault on the guest's page
	 * (the guest made it inaccessible, or its file was truncated): return 0, or EFAULT with nothing or a
	 * part copied. At most 32 bytes. Both null: the device copies by itself, and a fault
	 * is the process's to handle. One null and the other not is MEMCTL_INVALID_ARGUMENT.
	 */
	int32_t (*copy_from_guest)(void *context, void *destination, const void *source, size_t length);
	int32_t (*copy_to_guest)(void *context, void *destination, const void *source, size_t length);
};

/* The VMM has advised this region MADV_MERGEABLE: reverting UNMERGEABLE advises it again. */
#define MEMCTL_REGION_MERGEABLE 0x1u
/* The VMM has advised this region MADV_DONTDUMP: reverting DONTDUMP leaves it so. */
#define MEMCTL_REGION_DONTDUMP 0x2u

/* A region of guest RAM: readable and writable memory of this process, whole host pages. */
struct memctl_region {
	uint32_t size;          /* sizeof(struct memctl_region) */
	uint32_t flags;         /* MEMCTL_REGION_*; other bits zero */
	uint64_t guest_address; /* guest-physical, a multiple of the host's page size */
	uint64_t length;        /* bytes, not 0, a multiple of the host's page size */
	void *host_address;     /* where it is mapped; owned by the VMM until unregister_memory() returns */

	/*
	 * Bytes of a hot-plug block. 0: all of the region is guest RAM from now on. Otherwise a power of two, at
	 * least the host's page size, that divides guest_address and length: every block is absent until
	 * plug_memory(). An absent block is not guest RAM, but stays mapped.
	 */
	uint64_t block_size;
};

/* The PCI function that the guest's driver binds to. BAR 0 is 32-bit memory, not prefetchable; there is no interrupt. */
struct memctl_pci_identity {
	uint32_t size; /* sizeof(struct memctl_pci_identity), set by the caller; the library fills the rest */
	uint16_t vendor_id;
	uint16_t device_id;
	uint16_t subsystem_vendor_id;
	uint16_t subsystem_id;
	uint8_t base_class;
	uint8_t subclass;
	uint8_t programming_interface;
	uint8_t revision;
	uint64_t bar_size; /* bytes of BAR 0, a power of two */
};

/* A counter or gauge. The name is terminated and unique within a device. */
struct memctl_counter {
	char name[40];
	uint64_t value;
};

/* The guest has locked the extent (MLOCK). */
#define MEMCTL_EXTENT_LOCKED 0x1u
/* The guest excludes the extent from core dumps (DONTDUMP). */
#define MEMCTL_EXTENT_DONTDUMP 0x2u
/* The guest allows merging of equal pages (MERGEABLE). */
#define MEMCTL_EXTENT_MERGEABLE 0x4u
/* The guest forbids merging of equal pages (UNMERGEABLE). */
#define MEMCTL_EXTENT_UNMERGEABLE 0x8u

/* An extent of the attribute map: consecutive pages on which the guest has set the same attributes. */
struct memctl_extent {
	uint64_t guest_address; /* guest-physical */
	uint64_t length;        /* bytes, not 0 */
	uint32_t protection;    /* accesses that the guest left: PROT_READ | PROT_WRITE of mprotect(2), or less */
	uint32_t flags;         /* MEMCTL_EXTENT_* */
	uint64_t name;          /* the number of SET_VMA_ANON_NAME; 0 for no name */
};

/* Returns MEMCTL_ABI_MAGIC << 32 | major << 16 | minor. The first call starts the library's runtime. */
uint64_t abi_version(void);

/*
 * Makes the calling thread known to the runtime, which its first call of any other function does otherwise. A VMM calls
 * it when a vCPU thread starts: the system calls of a first call then come before the guest runs. The signal mask
 * stays as it is. Where SIGRTMIN is blocked it is pending afterwards, once: a kick that was pending may have been taken
 * inside, and KVM_RUN must still return for it. Later calls of the same thread do nothing.
 */
void attach_thread(void);

/*
 * The message of the calling thread's last failed call: UTF-8, terminated, cut at capacity. Returns its length
 * without the terminator, whatever the capacity; 0 if no call of this thread has failed. buffer may be null if
 * capacity is 0. MEMCTL_IGNORED_ACCESS sets no message.
 */
size_t last_error(char *buffer, size_t capacity);

/* Stores the identity of the PCI function. It is the same for every device of this library. */
memctl_status pci_identity(struct memctl_pci_identity *identity);

/*
 * Judges options as device_create() would, without making a device: MEMCTL_OK, or MEMCTL_INVALID_ARGUMENT with
 * the same message.
 */
memctl_status check_options(const char *options, size_t options_length);

/*
 * Makes a device. Options are UTF-8, not terminated: "key=value,key=value", lists as [a,b], sizes with a
 * suffix K, M, G or T; length 0 gives the defaults. docs/options.md lists the keys; an unknown
 * key, a bad value or a key given twice is MEMCTL_INVALID_ARGUMENT with a message fit for an operator. The
 * device has no memory and is in state Disconnected. *device is written on success only; end it with device_destroy().
 */
memctl_status device_create(const struct memctl_host *host, const char *options, size_t options_length,
			    memctl_device **device);

/*
 * Ends a device: waits for requests in progress, then frees what the library holds. Touches no guest memory,
 * so that memory may be unmapped already; unregister it first to revert what the guest has set on it.
 */
memctl_status device_destroy(memctl_device *device);

/*
 * A reset of the virtual machine: forgets the channels, goes to state Disconnected with the registers of a new
 * device, and reverts what the guest has set on its memory (protection, locks, no-dump, merging, names). Memory
 * stays registered and plugged, counters go on. MEMCTL_HOST_CALL_FAILED if the kernel refused to revert something.
 */
memctl_status device_reset(memctl_device *device);

/* Adds guest RAM. Requests that start after the return may use it. */
memctl_status register_memory(memctl_device *device, const struct memctl_region *region);

/*
 * Removes guest RAM, named by exactly the address and length it was registered with. Reverts what the guest has
 * set on it. When it returns, whatever the status but MEMCTL_NOT_FOUND and MEMCTL_INVALID_*, no request touches the
 * range any more and the VMM may unmap it.
 */
memctl_status unregister_memory(memctl_device *device, uint64_t guest_address, uint64_t length);

/*
 * Makes absent blocks of a region present: [guest_address, guest_address + length), whole blocks of one region that
 * was registered with a block size. Requests that start after the return may use them; call it before the guest
 * learns that the blocks are there. MEMCTL_NOT_FOUND if the range is not in such a region;
 * MEMCTL_INVALID_ARGUMENT if it is not whole blocks, or one of them is present. On an error nothing has changed.
 */
memctl_status plug_memory(memctl_device *device, uint64_t guest_address, uint64_t length);

/*
 * Makes present blocks absent and reverts what the guest has set on them. When it returns MEMCTL_OK or
 * MEMCTL_HOST_CALL_FAILED (the kernel refused to revert something) they are absent and no request touches them. On
 * any other error nothing has changed, and the VMM refuses the guest's unplug: MEMCTL_NOT_FOUND and
 * MEMCTL_INVALID_ARGUMENT as for plug_memory(), here for absent blocks; MEMCTL_LIMIT_REACHED if the revert
 * would split more mappings than the device has room for.
 */
memctl_status unplug_memory(memctl_device *device, uint64_t guest_address, uint64_t length);

/*
 * A guest's access to BAR 0. offset is relative to the BAR. mmio_read() always fills data (zeros where there is no
 * register); length is 1 to 8. data stays the caller's. MEMCTL_IGNORED_ACCESS: a write whose width or offset means
 * nothing to the device, or an unknown channel.
 */
memctl_status mmio_read(memctl_device *device, uint64_t offset, uint8_t *data, size_t length);
memctl_status mmio_write(memctl_device *device, uint64_t offset, const uint8_t *data, size_t length);

/*
 * Switches calls of memctl_host.dirty on (1) or off (0). After the return the device reports every change of a later
 * request (on), or no call is in progress (off). MEMCTL_INVALID_ARGUMENT if the host gave no such callback.
 */
memctl_status set_dirty_logging(memctl_device *device, uint32_t enabled);

/*
 * While on (1), the device answers EBUSY to DONTNEED, REMOVE and FREE: for guest memory that a device of the host has
 * pinned. When it returns, no discard is in progress.
 */
memctl_status inhibit_discard(memctl_device *device, uint32_t enabled);

/*
 * While on (1), this process can read all guest memory: PROT_READ is added to what the guest has protected. Saved
 * state and attribute map do not change. Switch it on before a snapshot, a core dump or a migration reads guest
 * memory and off (0) afterwards. MEMCTL_HOST_CALL_FAILED if the kernel refused a protection.
 */
memctl_status keep_readable(memctl_device *device, uint32_t enabled);

/*
 * The same with PROT_READ and PROT_WRITE: for as long as the kernel pins guest memory, as VFIO and vDPA do when they
 * map it for DMA. What is pinned stays reachable for DMA afterwards, whatever protection its pages have. The guest
 * can use its protected pages meanwhile: keep it short. Independent of keep_readable().
 */
memctl_status keep_accessible(memctl_device *device, uint32_t enabled);

/* The guest-physical address where the kernel reports none. */
#define MEMCTL_ADDRESS_UNKNOWN UINT64_MAX

/*
 * A vCPU ran into guest memory that this process can't access: KVM_RUN failed with EFAULT. guest_address is that of
 * KVM_EXIT_MEMORY_FAULT, or MEMCTL_ADDRESS_UNKNOWN where the kernel does not report it. With on_fault=open, reverts
 * the protection of the extent that contains it, or of all guest memory. MEMCTL_OK: run the vCPU again.
 * MEMCTL_NOT_FOUND: the guest has protected nothing there; another vCPU's call may just have opened it, so run the vCPU
 * once more and stop at the second in a row. MEMCTL_DENIED: on_fault is stop; stop the virtual machine.
 * MEMCTL_HOST_CALL_FAILED: the kernel refused; stop it.
 */
memctl_status resolve_fault(memctl_device *device, uint64_t guest_address);

/*
 * Stores the device's whole state, to be handed to device_restore() in this or another process, of this or a later
 * version. The vCPUs must be paused. *length is written on MEMCTL_OK and MEMCTL_BUFFER_TOO_SMALL; buffer may be null
 * if capacity is 0.
 */
memctl_status device_save(memctl_device *device, uint8_t *buffer, size_t capacity, size_t *length);

/*
 * Restores a saved state into a new device whose memory is registered, plugged and filled and whose vCPUs do
 * not run yet, and applies to its memory what the guest had set. On any error the device is unchanged.
 */
memctl_status device_restore(memctl_device *device, const uint8_t *state, size_t length);

/*
 * Stores up to capacity counters, always in the same order for one device, and in *count their number;
 * MEMCTL_BUFFER_TOO_SMALL if they did not fit. counters may be null if capacity is 0.
 */
memctl_status device_statistics(memctl_device *device, struct memctl_counter *counters, size_t capacity,
				size_t *count);

/*
 * Stores up to capacity extents of the attribute map, for monitoring: sorted by address, none overlapping, without
 * pages on which the guest has set nothing; in *count their number. MEMCTL_BUFFER_TOO_SMALL if they did not fit; the
 * map may have grown at the next call. extents may be null if capacity is 0.
 */
memctl_status device_attributes(memctl_device *device, struct memctl_extent *extents, size_t capacity, size_t *count);

/*
 * Stores what monitoring wants to know, as one JSON object in UTF-8, not terminated: counters, guest RAM and the attribute
 * map (docs/monitoring.md, "The device's report"). A VMM passes it on and need not know what is in it. In *length its bytes, at
 * most 8 MiB; MEMCTL_BUFFER_TOO_SMALL if they did not fit, and the report may have grown at the next call. Waits for no
 * request. buffer may be null if capacity is 0.
 */
memctl_status device_report(memctl_device *device, char *buffer, size_t capacity, size_t *length);

#ifdef __cplusplus
}
#define MEMCTL_ABI_ASSERT(condition) static_assert(condition, #condition)
#else
#define MEMCTL_ABI_ASSERT(condition) _Static_assert(condition, #condition)
#endif

#if UINTPTR_MAX == UINT64_MAX
MEMCTL_ABI_ASSERT(sizeof(struct memctl_host) == 56);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, size) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, abi_version) == 4);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, context) == 8);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, log) == 16);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, log_level) == 24);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, reserved) == 28);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, dirty) == 32);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, copy_from_guest) == 40);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_host, copy_to_guest) == 48);
MEMCTL_ABI_ASSERT(sizeof(struct memctl_region) == 40);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, size) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, flags) == 4);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, guest_address) == 8);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, length) == 16);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, host_address) == 24);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, block_size) == 32);
MEMCTL_ABI_ASSERT(sizeof(struct memctl_pci_identity) == 24);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, size) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, vendor_id) == 4);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, device_id) == 6);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, subsystem_vendor_id) == 8);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, subsystem_id) == 10);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, base_class) == 12);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, subclass) == 13);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, programming_interface) == 14);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, revision) == 15);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_pci_identity, bar_size) == 16);
MEMCTL_ABI_ASSERT(sizeof(struct memctl_counter) == 48);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_counter, name) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_counter, value) == 40);
MEMCTL_ABI_ASSERT(sizeof(struct memctl_extent) == 32);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_extent, guest_address) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_extent, length) == 8);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_extent, protection) == 16);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_extent, flags) == 20);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_extent, name) == 24);
#endif

#endif /* MEMCTL_PLUGIN_H */
