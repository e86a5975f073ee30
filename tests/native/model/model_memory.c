// SPDX-License-Identifier: Apache-2.0
/* Guest RAM, each slot with its twin. */
#define _GNU_SOURCE
#include "model.h"

#include "guest_copy.h"
#include "memctl_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Adjoining slots, a gap, slots that adjoin across 4 GiB, and the last that does not wrap. */
static const uint64_t bases[SLOTS] = {
	0, 0x100000, 0x104000, 0x108000, 0x110000, 0xffffc000, 0x100000000, UINT64_MAX - PAGE + 1 - SLOT_BYTES,
};

uint64_t slot_base(unsigned int slot)
{
	return bases[slot];
}

static void require(bool holds)
{
	if (!holds) {
		perror("model");
		abort();
	}
}

void model_reserve(struct model *model)
{
	uint8_t *at = mmap(NULL, 2 * SLOTS * 2 * SLOT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	require(at != MAP_FAILED);
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		struct slot *made = &model->slots[slot];

		/* Inaccessible pages between any two, so that no two mappings merge. */
		made->real = at + 4 * slot * SLOT_BYTES;
		made->twin = made->real + 2 * SLOT_BYTES;
		made->real_file = memfd_create("real", MFD_CLOEXEC);
		made->twin_file = memfd_create("twin", MFD_CLOEXEC);
		require(made->real_file >= 0 && made->twin_file >= 0);
	}
}

static void map_one(uint8_t *at, int file, enum backing backing, uint32_t flags)
{
	int kind = backing == BACKING_SHARED_FILE ? MAP_SHARED : MAP_PRIVATE;

	require(!ftruncate(file, 0) && !ftruncate(file, SLOT_BYTES));
	if (backing == BACKING_ANONYMOUS) {
		kind |= MAP_ANONYMOUS;
		file = -1;
	}
	require(mmap(at, SLOT_BYTES, PROT_READ | PROT_WRITE, kind | MAP_FIXED | MAP_NORESERVE, file, 0) == at);
	if (flags & MEMCTL_REGION_MERGEABLE)
		madvise(at, SLOT_BYTES, MADV_MERGEABLE);
	if (flags & MEMCTL_REGION_DONTDUMP)
		madvise(at, SLOT_BYTES, MADV_DONTDUMP);
}

void model_map(struct model *model, unsigned int slot, enum backing backing, uint32_t flags)
{
	struct slot *made = &model->slots[slot];

	made->backing = backing;
	made->flags = flags;
	made->truncated = false;
	memset(made->undefined, 0, sizeof(made->undefined));
	memset(made->pages, 0, sizeof(made->pages));
	map_one(made->real, made->real_file, backing, flags);
	map_one(made->twin, made->twin_file, backing, flags);
}

void model_truncate(struct model *model, unsigned int slot, bool cut)
{
	struct slot *made = &model->slots[slot];

	made->truncated = cut;
	require(!ftruncate(made->real_file, cut ? 0 : SLOT_BYTES) && !ftruncate(made->twin_file, cut ? 0 : SLOT_BYTES));
}

struct slot *model_slot(const struct model *model, uint64_t address, uint64_t *offset)
{
	*offset = 0;
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		if (model->slots[slot].registered && address - bases[slot] < SLOT_BYTES) {
			*offset = address - bases[slot];
			return (struct slot *)&model->slots[slot];
		}
	}
	return NULL;
}

bool model_is_defined(const struct model *model, uint64_t address)
{
	uint64_t offset;
	struct slot *slot = model_slot(model, address, &offset);

	return slot && !slot->undefined[offset / PAGE];
}

bool model_covers(const struct model *model, uint64_t address, uint64_t length)
{
	uint64_t offset;

	if (address + length < address || !model_slot(model, address, &offset))
		return false;
	/* Page by page; no slot is longer than this. */
	for (uint64_t next = address; length && next < address + length; next = (next | (PAGE - 1)) + 1) {
		if (next - address > SLOTS * SLOT_BYTES || !model_slot(model, next, &offset))
			return false;
	}
	return true;
}

bool model_copy_in(struct model *model, bool real, uint64_t address, const void *from, size_t length, size_t *done)
{
	*done = 0;
	while (*done < length) {
		uint64_t offset;
		struct slot *slot = model_slot(model, address + *done, &offset);
		size_t part;

		if (!slot)
			return false;
		part = SLOT_BYTES - offset < length - *done ? SLOT_BYTES - offset : length - *done;
		if (guest_copy(NULL, (real ? slot->real : slot->twin) + offset, (const uint8_t *)from + *done, part))
			return false;
		*done += part;
	}
	return true;
}

bool model_copy_out(struct model *model, bool real, uint64_t address, void *to, size_t length)
{
	for (size_t done = 0; done < length;) {
		uint64_t offset;
		struct slot *slot = model_slot(model, address + done, &offset);
		size_t part;

		if (!slot)
			return false;
		part = SLOT_BYTES - offset < length - done ? SLOT_BYTES - offset : length - done;
		if (guest_copy(NULL, (uint8_t *)to + done, (real ? slot->real : slot->twin) + offset, part))
			return false;
		done += part;
	}
	return true;
}
