/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An independent model of the device: what docs/protocol.md and the C ABI promise, page by page, and no line of the device's
 * own design.
 * The kernel's part is not modelled: every slot of guest RAM has a twin of the same make, on which the model makes
 * the kernel's calls itself. What they return is the answer that is expected, what the twin then holds is what the
 * guest's memory must hold.
 */
#ifndef MODEL_H
#define MODEL_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ull
#define SLOTS 8u
#define SLOT_PAGES 4u
#define SLOT_BYTES (SLOT_PAGES * PAGE)
#define MAX_MODEL_CHANNELS 4u
#define MAX_DIRTY (LIST_ENTRIES + 1)

enum backing { BACKING_ANONYMOUS, BACKING_SHARED_FILE, BACKING_PRIVATE_FILE, BACKINGS };
enum transport { DISCONNECTED, REGISTERING, READY };
enum access_change { OPEN = 0, NO_READ = 1, NO_WRITE = 2, NO_ACCESS = 3 };
enum merging { MERGING_AS_REGISTERED, MERGING_ON, MERGING_OFF };

struct page_state {
	uint8_t denied; /* enum access_change */
	bool locked;
	bool no_dump;
	uint8_t merging;
	uint64_t name;
};

/* Slots lie in the order of their guest addresses; slot_base() has them. */
struct slot {
	bool registered;
	bool truncated;
	enum backing backing;
	uint32_t flags;
	uint8_t *real;
	uint8_t *twin;
	int real_file;
	int twin_file;
	/* Bytes that FREE may or may not have dropped: not compared until written again. */
	bool undefined[SLOT_PAGES];
	struct page_state pages[SLOT_PAGES];
};

struct model_options {
	bool pvmemcontrol;
	unsigned int channels;
	unsigned int max_splits;
	unsigned int max_locked_pages;
	uint32_t allowed; /* a bit for each enum function */
};

struct range {
	uint64_t start;
	uint64_t length;
};

struct model {
	struct model_options options;
	enum transport transport;
	uint64_t payload;
	unsigned int channel_count;
	uint64_t buffers[MAX_MODEL_CHANNELS];
	bool dirty_on;
	bool discard_inhibited;
	bool kept_readable;
	bool kept_accessible;
	uint64_t requests[FUNCTION_COUNT];
	uint64_t errors[FUNCTION_COUNT];
	uint64_t bytes[FUNCTION_COUNT];
	uint64_t refused[ERROR_COUNT];
	uint64_t ignored;
	uint64_t unanswered;
	uint64_t refused_commands;
	struct slot slots[SLOTS];
	/* Of the last request: the ranges that the dirty log must contain, and events, for coverage. */
	struct range dirty[MAX_DIRTY];
	unsigned int dirty_count;
	uint32_t last_errno;
	uint32_t last_code;
	int last_function;
	/* The kernel failed in an entry of a list: the device may have asked for it, and reported it, twice. */
	bool asked_twice;
};

/* model_memory.c: guest RAM */
uint64_t slot_base(unsigned int slot);
/* The slot of registered memory that an address is in, and where in it; or null. */
struct slot *model_slot(const struct model *model, uint64_t address, uint64_t *offset);
void model_reserve(struct model *model);
void model_map(struct model *model, unsigned int slot, enum backing backing, uint32_t flags);
void model_truncate(struct model *model, unsigned int slot, bool cut);
bool model_covers(const struct model *model, uint64_t address, uint64_t length);
/* Whether the byte is in guest RAM and no FREE may have dropped it. */
bool model_is_defined(const struct model *model, uint64_t address);
bool model_copy_in(struct model *model, bool real, uint64_t address, const void *from, size_t length, size_t *done);
bool model_copy_out(struct model *model, bool real, uint64_t address, void *to, size_t length);

/* model_attributes.c: what the guest sets on its pages, and the kernel's part */
unsigned int model_splits(const struct model *model);
uint64_t model_locked(const struct model *model);
void model_revert(struct model *model, unsigned int slot);
int model_advise(struct model *model, uint64_t address, uint64_t length, int advice);
int model_change(struct model *model, uint64_t address, uint64_t length, enum function function, uint64_t name,
		 enum device_error *error);
/* After a change of kept_readable or kept_accessible. */
void model_keep(struct model *model);
/* Opens the extent of pages that contains an address, or all; whether anything was protected there. */
bool model_open(struct model *model, bool all, uint64_t address);
/* Whether the VMM has made all memory of a range mergeable. */
bool model_is_mergeable(const struct model *model, uint64_t address, uint64_t length);
/* Null, or what differs between guest RAM and its twin. */
const char *model_compare(struct model *model);

/* model_device.c: registers, transport and requests */
void model_start(struct model *model, const struct model_options *options);
void model_new_device(struct model *model);
void model_read(const struct model *model, uint64_t offset, uint8_t *data, size_t length);
/* The memctl_status that the write must return. */
uint32_t model_write(struct model *model, uint64_t offset, const uint8_t *data, size_t length);
void model_reset(struct model *model);
/* The function of a code in the options' dialect, or -1. */
int model_function(const struct model *model, uint64_t code);
const char *function_name(enum function function);

#endif
