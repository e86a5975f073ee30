/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C ABI of libmemctl.so, the memctl paravirtual memory device as a VMM plugin.
 *
 * A VMM needs nothing but this header:
 *
 *   1. dlopen() the library first thing in main(), with RTLD_NOW | RTLD_LOCAL, and call abi_version().
 *      That starts the library's runtime: do it before any seccomp filter or Landlock rule is in
 *      force, and install the VMM's own signal handlers afterwards. Never dlclose() it.
 *   2. device_create(), then register_memory() for every piece of guest RAM.
 *   3. Route the guest's accesses to BAR 0 to mmio_read() and mmio_write(), from any vCPU thread. A
 *      request is complete when mmio_write() returns; there is no interrupt and no queue.
 *   4. unregister_memory() before guest RAM is unmapped; device_destroy() at the end.
 *
 * Threads. Every function may be called from any thread. mmio_read(), mmio_write() and last_error() take no
 * lock that a call on another channel takes, save for requests that change attributes of mappings (the kernel
 * serialises those too). The other functions are serialised inside, for each device, and may run while requests
 * do. No function may be called from inside a callback. A thread's first call unblocks SIGRTMIN in it, and a garbage
 * collection sends that signal to threads inside the library: keep a handler for it installed, or ignore it.
 *
 * Errors. A function that can fail returns a memctl_status; last_error() then holds one sentence for the
 * calling thread. What a guest gets wrong is answered to the guest and is MEMCTL_OK or MEMCTL_IGNORED_ACCESS here.
 *
 * Versions. Structures carry their size first and only ever grow at the end: a library accepts every
 * structure at least as long as that of version 1.0 and takes what is missing as zero. A change of the major
 * version breaks callers; a minor version adds functions, options, counters or trailing fields.
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
#define MEMCTL_IGNORED_ACCESS 5u      /* the guest's access has no meaning; it was counted and changed nothing */
#define MEMCTL_OVERLAP 6u             /* the region overlaps a registered one */
#define MEMCTL_NOT_FOUND 7u           /* no region with exactly this address and length is registered */
#define MEMCTL_LIMIT_REACHED 8u       /* too many devices in the process or regions in the device */
#define MEMCTL_INVALID_STATE 9u       /* a saved state is damaged, foreign, or does not fit the device */
#define MEMCTL_HOST_CALL_FAILED 10u   /* the kernel refused a call on guest memory; the message has its errno */
#define MEMCTL_BUFFER_TOO_SMALL 11u   /* the needed length was stored */
#define MEMCTL_INTERNAL_ERROR 12u     /* a defect in the library; the device goes on as far as it can */

/* Levels of log records, as in syslog's order of weight. */
#define MEMCTL_LOG_OFF 0u
#define MEMCTL_LOG_ERROR 1u
#define MEMCTL_LOG_WARN 2u
#define MEMCTL_LOG_INFO 3u
#define MEMCTL_LOG_DEBUG 4u
#define MEMCTL_LOG_TRACE 5u

/*
 * A device. The value is opaque, not an address: the library checks every handle that it is given, so a null,
 * stale or invented one is MEMCTL_INVALID_HANDLE. Devices of one process are independent.
 */
typedef struct memctl_device memctl_device;

/*
 * What the VMM offers to a device. Copied by device_create(); the context and the functions must stay valid
 * until device_destroy() has returned. Callbacks run on the thread whose call caused them, several at once,
 * must not unwind, and must not call back into the library.
 */
struct memctl_host {
	uint32_t size;        /* sizeof(struct memctl_host) */
	uint32_t abi_version; /* MEMCTL_ABI_VERSION that the VMM was compiled with */
	void *context;        /* handed to every callback; may be null */

	/*
	 * A log record, or null for no log. Target and message are UTF-8, not terminated, valid during the call.
	 * What a guest can trigger is limited in rate. Called with no lock held; a slow callback delays
	 * only the vCPU that caused the record.
	 */
	void (*log)(void *context, uint32_t level, const char *target, size_t target_length,
		    const char *message, size_t message_length);
	uint32_t log_level; /* the least weighty level to deliver: MEMCTL_LOG_OFF to MEMCTL_LOG_TRACE */
	uint32_t reserved;  /* zero */

	/*
	 * The device has changed guest memory [guest_address, guest_address + length): an answer it
	 * wrote, or a range that it discarded. Called after the change, while set_dirty_logging() is on.
	 * May be null if dirty logging is never switched on.
	 */
	void (*dirty)(void *context, uint64_t guest_address, uint64_t length);

	/*
	 * Copy between guest memory and the device's own, without ending the process where the guest's
	 * page can't be touched (closed, or its file truncated). Return 0, or EFAULT with nothing or a part
	 * copied. At most 32 bytes. Both null: the device copies by itself, and a fault
	 * is the process's to handle. One null and the other not is MEMCTL_INVALID_ARGUMENT.
	 */
	int32_t (*copy_from_guest)(void *context, void *destination, const void *source, size_t length);
	int32_t (*copy_to_guest)(void *context, void *destination, const void *source, size_t length);
};

/* The VMM has advised this region MADV_MERGEABLE: lifting UNMERGEABLE advises it again. */
#define MEMCTL_REGION_MERGEABLE 0x1u
/* The VMM has advised this region MADV_DONTDUMP: lifting DONTDUMP leaves it so. */
#define MEMCTL_REGION_DONTDUMP 0x2u

/* A piece of guest RAM: readable and writable memory of this process, whole host pages. */
struct memctl_region {
	uint32_t size;          /* sizeof(struct memctl_region) */
	uint32_t flags;         /* MEMCTL_REGION_*; other bits zero */
	uint64_t guest_address; /* guest-physical, a multiple of the host's page size */
	uint64_t length;        /* bytes, not 0, a multiple of the host's page size */
	void *host_address;     /* where it is mapped; owned by the VMM until unregister_memory() returns */
};

/* A counter or gauge. The name is terminated and unique within a device; this layout never changes. */
struct memctl_counter {
	char name[40];
	uint64_t value;
};

/* Returns MEMCTL_ABI_MAGIC << 32 | major << 16 | minor. Starts the library's runtime when called first. */
uint64_t abi_version(void);

/*
 * The message of the calling thread's last failed call: UTF-8, terminated, cut at capacity. Returns its length
 * without the terminator, whatever the capacity; 0 if no call of this thread has failed. buffer may be null if
 * capacity is 0. MEMCTL_IGNORED_ACCESS sets no message.
 */
size_t last_error(char *buffer, size_t capacity);

/*
 * Makes a device. Options are UTF-8, not terminated: "key=value,key=value", lists as [a,b], sizes with a
 * suffix K, M, G or T; length 0 gives the defaults. The keys are listed in docs/options.md; an unknown
 * key, a bad value or a key given twice is MEMCTL_INVALID_ARGUMENT with a message fit for an operator. The
 * device has no memory and is in state Disconnected. *device is written on success only; end it with device_destroy().
 */
memctl_status device_create(const struct memctl_host *host, const char *options, size_t options_length,
			    memctl_device **device);

/*
 * Ends a device: waits for requests in progress, then frees what the library holds. Touches no guest memory,
 * so that memory may be gone already; unregister it first to have it back as it was registered.
 */
memctl_status device_destroy(memctl_device *device);

/*
 * As a reset of the virtual machine: channels forgotten, state Disconnected, registers as after device_create(), and
 * everything that the guest has set on its memory (protection, locks, no-dump, merging, names) lifted. Memory stays
 * registered, counters go on. MEMCTL_HOST_CALL_FAILED if something could not be lifted.
 */
memctl_status device_reset(memctl_device *device);

/* Adds guest RAM. Takes effect for requests that start after the return. */
memctl_status register_memory(memctl_device *device, const struct memctl_region *region);

/*
 * Takes away guest RAM, named by exactly the address and length it was registered with. Lifts what the guest has
 * set on it. When it returns, whatever the status but MEMCTL_NOT_FOUND and MEMCTL_INVALID_*, no request touches the
 * range any more and the VMM may unmap it.
 */
memctl_status unregister_memory(memctl_device *device, uint64_t guest_address, uint64_t length);

/*
 * A guest's access to BAR 0. offset is relative to the BAR. mmio_read() always fills data (zeros where there is no
 * register); length is 1 to 8. data stays the caller's. MEMCTL_IGNORED_ACCESS: a write whose width or place means
 * nothing to the device, or an unknown channel.
 */
memctl_status mmio_read(memctl_device *device, uint64_t offset, uint8_t *data, size_t length);
memctl_status mmio_write(memctl_device *device, uint64_t offset, const uint8_t *data, size_t length);

/*
 * Switches calls of memctl_host.dirty on (1) or off (0). After the return every change of a later request is
 * reported (on), or no call is in progress (off). MEMCTL_INVALID_ARGUMENT if the host gave no such callback.
 */
memctl_status set_dirty_logging(memctl_device *device, uint32_t enabled);

/*
 * While on (1), DONTNEED, REMOVE and FREE answer EBUSY: for guest memory that a device of the host has pinned.
 * When it returns, no discard is in progress.
 */
memctl_status inhibit_discard(memctl_device *device, uint32_t enabled);

/*
 * While on (1), guest memory that the guest has closed is held readable by the host, so that the VMM can copy it:
 * MPROTECT_NONE as PROT_READ. What the guest sees of its settings and what is saved do not change. Switch it on
 * before a snapshot or a migration reads guest memory and off (0) afterwards.
 */
memctl_status hold_readable(memctl_device *device, uint32_t enabled);

/*
 * The device's whole state as bytes to be handed to device_restore(), in this or another process, of this or a later version.
 * The vCPUs must be paused. *length is written on MEMCTL_OK and MEMCTL_BUFFER_TOO_SMALL; buffer may be null if capacity is 0.
 */
memctl_status device_save(memctl_device *device, uint8_t *buffer, size_t capacity, size_t *length);

/*
 * Puts a saved state into a device that was just created, whose memory is registered and filled and whose vCPUs do
 * not run yet, and applies to its memory what the guest had set. On any failure the device is as before.
 */
memctl_status device_restore(memctl_device *device, const uint8_t *state, size_t length);

/*
 * Stores up to capacity counters and in *count how many there are, always in the same order for one device;
 * MEMCTL_BUFFER_TOO_SMALL if they did not fit. counters may be null if capacity is 0.
 */
memctl_status device_statistics(memctl_device *device, struct memctl_counter *counters, size_t capacity,
				size_t *count);

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
MEMCTL_ABI_ASSERT(sizeof(struct memctl_region) == 32);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, size) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, flags) == 4);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, guest_address) == 8);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, length) == 16);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_region, host_address) == 24);
MEMCTL_ABI_ASSERT(sizeof(struct memctl_counter) == 48);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_counter, name) == 0);
MEMCTL_ABI_ASSERT(offsetof(struct memctl_counter, value) == 40);
#endif

#endif /* MEMCTL_PLUGIN_H */
