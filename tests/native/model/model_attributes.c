// SPDX-License-Identifier: Apache-2.0
/* What the guest sets on its pages. */
#define _GNU_SOURCE
#include "model.h"

#include "guest_copy.h"
#include "memctl_plugin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static bool same(const struct page_state *left, const struct page_state *right)
{
	return left->denied == right->denied && left->locked == right->locked && left->no_dump == right->no_dump &&
	       left->merging == right->merging && left->name == right->name;
}

unsigned int model_splits(const struct model *model)
{
	static const struct page_state untouched;
	const struct page_state *before = &untouched;
	unsigned int splits = 0;

	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		if (slot && slot_base(slot) != slot_base(slot - 1) + SLOT_BYTES) {
			splits += !same(before, &untouched);
			before = &untouched;
		}
		for (unsigned int page = 0; page < SLOT_PAGES; page++) {
			splits += !same(before, &model->slots[slot].pages[page]);
			before = &model->slots[slot].pages[page];
		}
	}
	return splits + !same(before, &untouched);
}

uint64_t model_locked(const struct model *model)
{
	uint64_t locked = 0;

	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		for (unsigned int page = 0; page < SLOT_PAGES; page++)
			locked += model->slots[slot].pages[page].locked ? PAGE : 0;
	}
	return locked;
}

static int errno_of(int result)
{
	return result ? errno : 0;
}

/* The kernel's call on part of a twin that gives it, for this function, the state of this page. */
static int call(const struct model *model, struct slot *slot, uint64_t offset, uint64_t length, enum function function,
		const struct page_state *state)
{
	uint8_t *at = slot->twin + offset;
	char name[40];
	int access;

	switch (function) {
	case MLOCK:
	case MUNLOCK:
		return errno_of(state->locked ? mlock2(at, length, 0) : munlock(at, length));
	case DONTDUMP:
		return errno_of(madvise(at, length, state->no_dump || slot->flags & MEMCTL_REGION_DONTDUMP ?
							    MADV_DONTDUMP : MADV_DODUMP));
	case MERGEABLE:
	case UNMERGEABLE:
		return errno_of(madvise(at, length, state->merging == MERGING_ON ||
			(state->merging == MERGING_AS_REGISTERED && slot->flags & MEMCTL_REGION_MERGEABLE) ?
							    MADV_MERGEABLE : MADV_UNMERGEABLE));
	case SET_VMA_ANON_NAME:
		snprintf(name, sizeof(name), "%s-%llu", model->options.pvmemcontrol ? "pvmemcontrol" : "memctl",
			 (unsigned long long)state->name);
		return errno_of(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, length, state->name ? name : NULL));
	default:
		access = (state->denied & NO_READ ? 0 : PROT_READ) | (state->denied & NO_WRITE ? 0 : PROT_WRITE);
		if (model->kept_accessible)
			access = PROT_READ | PROT_WRITE;
		else if (model->kept_readable)
			access |= PROT_READ;
		return errno_of(mprotect(at, length, access));
	}
}

static void set(struct page_state *state, enum function function, uint64_t name)
{
	switch (function) {
	case MLOCK:
	case MUNLOCK:
		state->locked = function == MLOCK;
		break;
	case DONTDUMP:
		state->no_dump = true;
		break;
	case MERGEABLE:
	case UNMERGEABLE:
		state->merging = function == MERGEABLE ? MERGING_ON : MERGING_OFF;
		break;
	case SET_VMA_ANON_NAME:
		state->name = name;
		break;
	default:
		state->denied = function == MPROTECT_NONE ? NO_ACCESS : function == MPROTECT_R ? NO_WRITE :
				function == MPROTECT_W ? NO_READ : OPEN;
	}
}

/* The range cut at the ends of slots: the next part, or a null slot. */
static struct slot *part(const struct model *model, uint64_t next, uint64_t end, uint64_t *offset, uint64_t *length)
{
	struct slot *slot = next < end ? model_slot(model, next, offset) : NULL;

	if (slot)
		*length = SLOT_BYTES - *offset < end - next ? SLOT_BYTES - *offset : end - next;
	return slot;
}

int model_advise(struct model *model, uint64_t address, uint64_t length, int advice)
{
	uint64_t offset;
	uint64_t done;
	struct slot *slot;

	for (uint64_t next = address; (slot = part(model, next, address + length, &offset, &done)); next += done) {
		int failed = errno_of(madvise(slot->twin + offset, done, advice));

		for (uint64_t page = offset / PAGE; advice == MADV_FREE && page < (offset + done) / PAGE; page++)
			slot->undefined[page] = true;
		if (failed)
			return failed;
	}
	return 0;
}

static void put(struct model *model, uint64_t address, uint64_t length, enum function function, uint64_t name)
{
	uint64_t offset;

	for (uint64_t next = address; next < address + length; next += PAGE) {
		struct slot *slot = model_slot(model, next, &offset);

		set(&slot->pages[offset / PAGE], function, name);
	}
}

int model_change(struct model *model, uint64_t address, uint64_t length, enum function function, uint64_t name,
		 enum device_error *error)
{
	static struct model before;
	struct page_state wanted = { 0 };
	uint64_t offset;
	uint64_t done;
	struct slot *slot;

	before = *model;
	set(&wanted, function, name);
	put(model, address, length, function, name);
	*error = ERROR_NONE;
	if (model_splits(model) > model->options.max_splits && model_splits(model) > model_splits(&before))
		*error = ERROR_SPLIT_BUDGET;
	else if (model_locked(model) > model->options.max_locked_pages * PAGE && model_locked(model) > model_locked(&before))
		*error = ERROR_LOCK_BUDGET;
	if (*error) {
		*model = before;
		return ENOMEM;
	}
	for (uint64_t next = address; (slot = part(model, next, address + length, &offset, &done)); next += done) {
		int failed = call(model, slot, offset, done, function, &wanted);

		if (failed) {
			/* This part and what follows it are as before. */
			*model = before;
			put(model, address, next - address, function, name);
			for (uint64_t page = offset / PAGE; page < (offset + done) / PAGE; page++)
				call(model, slot, page * PAGE, PAGE, function, &slot->pages[page]);
			return failed;
		}
	}
	return 0;
}

void model_revert(struct model *model, unsigned int slot)
{
	static const enum function kinds[] = { UNMERGEABLE, DONTDUMP, SET_VMA_ANON_NAME, MUNLOCK, MPROTECT_RW };
	static const struct page_state untouched;
	struct slot *reverted = &model->slots[slot];

	for (unsigned int kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		call(model, reverted, 0, SLOT_BYTES, kinds[kind], &untouched);
	memset(reverted->pages, 0, sizeof(reverted->pages));
}

void model_keep(struct model *model)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		for (unsigned int page = 0; page < SLOT_PAGES; page++) {
			struct slot *kept = &model->slots[slot];

			if (kept->registered && kept->pages[page].denied)
				call(model, kept, page * PAGE, PAGE, MPROTECT_NONE, &kept->pages[page]);
		}
	}
}

static void open_page(struct model *model, struct slot *slot, uint64_t offset)
{
	slot->pages[offset / PAGE].denied = OPEN;
	call(model, slot, offset, PAGE, MPROTECT_RW, &slot->pages[offset / PAGE]);
}

/* From the page at an address in steps of `step`, as far as pages are as the first was. */
static void open_like(struct model *model, const struct page_state *first, uint64_t address, uint64_t step)
{
	uint64_t offset;
	struct slot *slot;

	while ((slot = model_slot(model, address, &offset)) && same(&slot->pages[offset / PAGE], first)) {
		open_page(model, slot, offset & ~(PAGE - 1));
		address += step;
	}
}

bool model_open(struct model *model, bool all, uint64_t address)
{
	struct page_state first;
	uint64_t offset;
	struct slot *slot = all ? NULL : model_slot(model, address, &offset);
	bool opened = false;

	if (!all) {
		if (!slot || !slot->pages[offset / PAGE].denied)
			return false;
		first = slot->pages[offset / PAGE];
		open_like(model, &first, address, PAGE);
		open_like(model, &first, address - PAGE, -PAGE);
		return true;
	}
	for (unsigned int index = 0; index < SLOTS; index++) {
		for (unsigned int page = 0; page < SLOT_PAGES; page++) {
			slot = &model->slots[index];
			if (slot->registered && slot->pages[page].denied) {
				open_page(model, slot, page * PAGE);
				opened = true;
			}
		}
	}
	return opened;
}

bool model_is_mergeable(const struct model *model, uint64_t address, uint64_t length)
{
	uint64_t offset;

	for (uint64_t next = address; next < address + length; next += PAGE) {
		if (!(model_slot(model, next, &offset)->flags & MEMCTL_REGION_MERGEABLE))
			return false;
	}
	return true;
}

static const char *compare_page(struct slot *slot, unsigned int page)
{
	static uint8_t real[PAGE];
	static uint8_t twin[PAGE];
	uint8_t *at = slot->real + page * PAGE;
	uint8_t *other = slot->twin + page * PAGE;
	int32_t unreadable = guest_copy(NULL, real, at, PAGE);

	if (unreadable != guest_copy(NULL, twin, other, PAGE))
		return "a page is readable and should not be, or the other way round";
	if (!unreadable && !slot->undefined[page] && memcmp(real, twin, PAGE) != 0)
		return "a page holds other bytes than it should";
	if (guest_copy(NULL, at, unreadable ? "" : (char *)real, 1) != guest_copy(NULL, other, unreadable ? "" : (char *)twin, 1))
		return "a page is writable and should not be, or the other way round";
	return NULL;
}

const char *model_compare(struct model *model)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		for (unsigned int page = 0; model->slots[slot].registered && page < SLOT_PAGES; page++) {
			const char *differs = compare_page(&model->slots[slot], page);

			if (differs)
				return differs;
		}
	}
	return NULL;
}
