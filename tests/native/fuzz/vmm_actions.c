// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "actions.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_STATE 8192u
#define MAX_COUNTERS 96u

void fuzz_register(struct input *input)
{
	uint8_t choice = take(input);
	unsigned int slot = choice % SLOTS;
	struct slot *chosen = &fuzz.model.slots[slot];
	struct memctl_region region = {
		.size = sizeof(region),
		.guest_address = slot_base(slot),
		.length = SLOT_BYTES,
		.host_address = chosen->real,
	};

	if (chosen->registered) {
		/* A part of it, the whole, or more than it: all overlap. */
		region.length = choice & 0x40 ? PAGE : SLOT_BYTES;
		fuzz_expect(plugin.register_memory(fuzz.device, &region), MEMCTL_OVERLAP, "register_memory twice");
		return;
	}
	if ((choice >> 6) == 3) {
		region.length += choice & 8 ? 1 : 0;
		region.flags = choice & 16 ? 4 : 0;
		region.host_address = choice & 32 ? chosen->real + 8 : NULL;
		fuzz_expect(plugin.register_memory(fuzz.device, &region), MEMCTL_INVALID_ARGUMENT, "register_memory wrongly");
		return;
	}
	region.flags = choice >> 3 & 3;
	trace("register slot %u, backing %u, flags %u", slot, choice >> 6, region.flags);
	model_map(&fuzz.model, slot, choice >> 6, region.flags);
	fuzz_expect(plugin.register_memory(fuzz.device, &region), MEMCTL_OK, "register_memory");
	chosen->registered = true;
}

void fuzz_unregister(struct input *input)
{
	uint8_t choice = take(input);
	unsigned int slot = choice % SLOTS;
	struct slot *chosen = &fuzz.model.slots[slot];
	uint64_t length = choice & 128 ? PAGE : SLOT_BYTES;
	bool there = chosen->registered && !(choice & 128);
	const char *differs;

	trace("unregister slot %u, %s", slot, there ? "exactly" : "wrongly");
	fuzz_expect(plugin.unregister_memory(fuzz.device, slot_base(slot), length), there ? MEMCTL_OK : MEMCTL_NOT_FOUND,
		    "unregister_memory");
	if (!there)
		return;
	model_revert(&fuzz.model, slot);
	differs = model_compare(&fuzz.model);
	if (differs)
		finding("after unregister_memory: %s", differs);
	chosen->registered = false;
}

void fuzz_reset(void)
{
	trace("device_reset");
	model_reset(&fuzz.model);
	fuzz_expect(plugin.device_reset(fuzz.device), MEMCTL_OK, "device_reset");
}

static void open_page(uint8_t which)
{
	uint64_t address = slot_base(which >> 5) + PAGE;
	bool all = which & 4;

	trace("resolve_fault at %#llx, all %d", (unsigned long long)address, all);
	fuzz_expect(plugin.resolve_fault(fuzz.device, all ? MEMCTL_ADDRESS_UNKNOWN : address),
		    model_open(&fuzz.model, all, address) ? MEMCTL_OK : MEMCTL_NOT_FOUND, "resolve_fault");
}

void fuzz_switch(uint8_t which)
{
	bool enabled = which & 4;

	trace("switch %u to %d", which & 3, enabled);
	switch (which & 3) {
	case 0:
		fuzz.model.dirty_on = enabled;
		fuzz_expect(plugin.set_dirty_logging(fuzz.device, enabled), MEMCTL_OK, "set_dirty_logging");
		break;
	case 1:
		fuzz.model.discard_inhibited = enabled;
		fuzz_expect(plugin.inhibit_discard(fuzz.device, enabled), MEMCTL_OK, "inhibit_discard");
		break;
	case 2:
		fuzz.model.kept_readable = enabled;
		model_keep(&fuzz.model);
		fuzz_expect(plugin.keep_readable(fuzz.device, enabled), MEMCTL_OK, "keep_readable");
		break;
	default:
		if (which & 8) {
			fuzz.model.kept_accessible = enabled;
			model_keep(&fuzz.model);
			fuzz_expect(plugin.keep_accessible(fuzz.device, enabled), MEMCTL_OK, "keep_accessible");
			break;
		}
		if (which & 16) {
			open_page(which);
			break;
		}
		fuzz_expect(plugin.keep_readable(fuzz.device, 2), MEMCTL_INVALID_ARGUMENT, "keep_readable(2)");
	}
}

static size_t save(uint8_t *state)
{
	size_t length = 0;

	fuzz_expect(plugin.device_save(fuzz.device, state, MAX_STATE, &length), MEMCTL_OK, "device_save");
	/* No slot's host address: in little-endian bytes, any page of either mapping. */
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		uint64_t address = (uint64_t)(uintptr_t)fuzz.model.slots[slot].real;

		for (size_t at = 0; at + sizeof(address) <= length; at++) {
			uint64_t word;

			memcpy(&word, state + at, sizeof(word));
			if (word - address < SLOT_BYTES)
				finding("a saved state holds a host address at byte %zu", at);
		}
	}
	return length;
}

static void take_memory_away(struct model *model)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		if (model->slots[slot].registered)
			fuzz_expect(plugin.unregister_memory(fuzz.device, slot_base(slot), SLOT_BYTES), MEMCTL_OK,
				    "unregister_memory before migration");
	}
}

static void give_memory_again(const struct model *model)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		struct memctl_region region = {
			.size = sizeof(region),
			.flags = model->slots[slot].flags,
			.guest_address = slot_base(slot),
			.length = SLOT_BYTES,
			.host_address = model->slots[slot].real,
		};

		if (model->slots[slot].registered)
			fuzz_expect(plugin.register_memory(fuzz.device, &region), MEMCTL_OK, "register_memory after migration");
	}
}

/* The same guest in another device: nothing that it could notice may be lost. */
void fuzz_migrate(void)
{
	static uint8_t state[MAX_STATE];
	static uint8_t again[MAX_STATE];
	size_t length;

	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		/* What is locked there can't be locked again. */
		if (fuzz.model.slots[slot].registered && fuzz.model.slots[slot].truncated)
			return;
	}
	trace("save, destroy, create, restore");
	length = save(state);
	take_memory_away(&fuzz.model);
	fuzz_expect(plugin.device_destroy(fuzz.device), MEMCTL_OK, "device_destroy");
	model_new_device(&fuzz.model);
	model_keep(&fuzz.model);
	fuzz_new_device();
	give_memory_again(&fuzz.model);
	fuzz_expect(plugin.device_restore(fuzz.device, state, length), MEMCTL_OK, "device_restore");
	if (save(again) != length || memcmp(state, again, length) != 0)
		finding("a restored device saves another state than it was given");
	observe(0xeeull << 32 | fuzz.model.transport << 8 | model_splits(&fuzz.model));
}

void fuzz_damaged_restore(struct input *input)
{
	static uint8_t state[MAX_STATE];
	static uint8_t before[MAX_STATE];
	static uint8_t after[MAX_STATE];
	size_t length = save(state);
	size_t saved = save(before);

	trace("restore of a damaged state");
	state[take_bytes(input, 2) % length] ^= (uint8_t)(1u << (take(input) & 7));
	fuzz_expect(plugin.device_restore(fuzz.device, state, length), MEMCTL_INVALID_STATE, "device_restore of damage");
	if (save(after) != saved || memcmp(before, after, saved) != 0)
		finding("a refused restore changed the device");
}

struct check {
	struct memctl_counter counters[MAX_COUNTERS];
	size_t count;
	/* Where a dialect has its counters, found once: comparing names on every run would fill libFuzzer's dictionary with them. */
	size_t *places;
	size_t next;
};

static size_t place_of(const struct check *check, const char *prefix, const char *name)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s%s", prefix, name);
	for (size_t index = 0; index < check->count; index++) {
		if (strcmp(check->counters[index].name, wanted) == 0)
			return index + 1;
	}
	finding("there is no counter %s", wanted);
}

static void check(struct check *check, const char *prefix, const char *name, uint64_t value)
{
	size_t *place = &check->places[check->next++];

	if (!*place)
		*place = place_of(check, prefix, name);
	if (check->counters[*place - 1].value != value)
		finding("counter %s is %llu, not %llu", check->counters[*place - 1].name,
			(unsigned long long)check->counters[*place - 1].value, (unsigned long long)value);
}

void fuzz_check_counters(void)
{
	static const char *const errors[] = {
		"NONE", "UNKNOWN_FUNCTION", "UNALIGNED", "NOT_GUEST_MEMORY", "DENIED", "DISCARD_INHIBITED", "HOLDS_BUFFER",
		"LOCK_BUDGET", "SPLIT_BUDGET", "BUFFER_UNREADABLE", "BAD_LIST", "PAGEOUT_BUDGET",
	};
	static size_t places[2][MAX_COUNTERS];
	static struct check all;
	const struct model *model = &fuzz.model;

	all.places = places[model->options.pvmemcontrol];
	all.next = 0;
	fuzz_expect(plugin.device_statistics(fuzz.device, all.counters, MAX_COUNTERS, &all.count), MEMCTL_OK, "device_statistics");
	for (uint64_t code = 0; model_function(model, code) >= 0; code++) {
		enum function function = (enum function)model_function(model, code);

		check(&all, "requests_", function_name(function), model->requests[function]);
		check(&all, "errors_", function_name(function), model->errors[function]);
		check(&all, "bytes_", function_name(function), model->bytes[function]);
	}
	for (unsigned int error = ERROR_UNKNOWN_FUNCTION; error < ERROR_COUNT; error++)
		check(&all, "refused_", errors[error], model->refused[error]);
	check(&all, "", "ignored_accesses", model->ignored);
	check(&all, "", "unanswered_requests", model->unanswered);
	check(&all, "", "refused_commands", model->refused_commands);
	check(&all, "", "channels", model->channel_count);
	check(&all, "", "splits", model_splits(model));
	check(&all, "", "locked_bytes", model_locked(model));
	check(&all, "", "discard_inhibited", model->discard_inhibited);
}
