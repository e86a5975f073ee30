// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "actions.h"

#include <string.h>

/* A guest address: usually in a slot or at its edge, sometimes anywhere. */
uint64_t fuzz_take_address(struct input *input)
{
	uint8_t choice = take(input);
	uint64_t address = slot_base(choice % SLOTS) + (choice >> 3 & 3) * PAGE;

	switch (choice >> 5) {
	case 4:
		return address + take(input) * 16;
	case 5:
		return address - BUFFER_SIZE / 2;
	case 6:
		return address + 1;
	case 7:
		return take_bytes(input, 8);
	default:
		return address;
	}
}

static uint64_t take_length(struct input *input)
{
	uint8_t choice = take(input);

	switch (choice >> 5) {
	case 0:
		return 0;
	case 5:
		return (choice & 31) * 8;
	case 6:
		return UINT64_MAX - PAGE + 1 - (choice & 31) * PAGE;
	case 7:
		return take_bytes(input, 8);
	default:
		return (1 + (choice & 15)) * PAGE;
	}
}

static void store_payload(uint64_t value)
{
	uint8_t data[8];

	memcpy(data, &value, sizeof(data));
	fuzz_write(REGISTER_PAYLOAD, data, sizeof(data));
}

static void connect_guest(struct input *input)
{
	uint8_t count = take(input) % 6;

	trace("driver connects %u channels", count);
	fuzz_command(COMMAND_RESET);
	for (unsigned int channel = 0; channel < count; channel++) {
		uint64_t address = fuzz_take_address(input);

		trace("  buffer at %#llx", (unsigned long long)address);
		store_payload(address);
		fuzz_command(COMMAND_REGISTER);
	}
	fuzz_command(COMMAND_READY);
}

/* The guest stores to its own memory: on both sides, as far as it has access. */
static void guest_store(uint64_t address, const void *bytes, size_t length)
{
	size_t done;

	/* A store to a part of a page that FREE may have dropped keeps the rest undefined. */
	if (model_copy_in(&fuzz.model, false, address, bytes, length, &done) !=
	    model_copy_in(&fuzz.model, true, address, bytes, length, &done))
		finding("the guest may store at %#llx on one side only", (unsigned long long)address);
}

static void check_buffers(void)
{
	for (unsigned int channel = 0; channel < fuzz.model.channel_count; channel++) {
		uint8_t real[BUFFER_SIZE] = { 0 };
		uint8_t expected[BUFFER_SIZE] = { 0 };
		uint64_t buffer = fuzz.model.buffers[channel];
		bool readable = model_copy_out(&fuzz.model, false, buffer, expected, sizeof(expected));

		if (model_copy_out(&fuzz.model, true, buffer, real, sizeof(real)) != readable)
			finding("buffer %u is readable on one side only", channel);
		for (unsigned int byte = 0; readable && byte < BUFFER_SIZE; byte++) {
			if (real[byte] != expected[byte] && model_is_defined(&fuzz.model, buffer + byte))
				finding("byte %u of buffer %u is %#x, not %#x", byte, channel, real[byte], expected[byte]);
		}
	}
}

static void send_request(unsigned int channel, const uint64_t call[4])
{
	uint32_t splits = model_splits(&fuzz.model);

	trace("request on channel %u: func_code %#llx, [%#llx, +%#llx)", channel, (unsigned long long)call[0],
	      (unsigned long long)call[1], (unsigned long long)call[2]);
	if (channel < fuzz.model.channel_count)
		guest_store(fuzz.model.buffers[channel], call, 4 * sizeof(call[0]));
	fuzz.model.last_function = -2;
	fuzz_command(COMMAND_CHANNEL + channel);
	trace("  errno %u, code %u", fuzz.model.last_errno, fuzz.model.last_code);
	check_buffers();
	observe((call[0] & LIST ? 0xacull : 0xaaull) << 40 | (uint64_t)(fuzz.model.last_function + 2) << 32 |
		fuzz.model.last_errno << 20 | fuzz.model.last_code << 12 |
		(uint32_t)(call[2] / PAGE < 16 ? call[2] / PAGE : 16) << 4 | (splits > model_splits(&fuzz.model)) << 1 |
		(splits < model_splits(&fuzz.model)));
	observe(0xabull << 40 | (uint64_t)(fuzz.model.last_function + 2) << 32 | fuzz.model.last_errno << 20 |
		model_splits(&fuzz.model) << 8 | (model_locked(&fuzz.model) / PAGE));
}

static void request(struct input *input)
{
	uint8_t choice = take(input);
	uint64_t call[4] = { choice & 15, 0, 0, 0 };

	if (choice & 128)
		call[0] |= (uint64_t)take(input) << (8 * (choice & 7));
	call[1] = fuzz_take_address(input);
	call[2] = take_length(input);
	call[3] = (choice & 15) == 13 || (choice & 15) == 6 ? take_bytes(input, 3) * 0x10001 : choice;
	send_request(choice >> 4 & 3, call);
}

/* The list is wherever its address says: in what it names, in a request buffer, across slots. Sometimes none was written. */
static void request_list(struct input *input)
{
	uint8_t choice = take(input);
	uint8_t size = take(input);
	uint64_t call[4] = { LIST | (choice & 15), fuzz_take_address(input), (size & 7) * sizeof(struct range), size };

	for (unsigned int entry = 0; entry < (size & 7) && choice & 128; entry++) {
		struct range range = { fuzz_take_address(input), 0 };

		range.length = take_length(input);
		trace("  [%#llx, +%#llx)", (unsigned long long)range.start, (unsigned long long)range.length);
		guest_store(call[1] + entry * sizeof(range), &range, sizeof(range));
	}
	if (size >> 5 == 7)
		call[2] = take_length(input);
	else if (size >> 5 == 6)
		call[2] = LIST_BYTES;
	send_request(choice >> 4 & 3, call);
}

static void fill(struct input *input)
{
	uint8_t page[PAGE];
	uint8_t choice = take(input);
	unsigned int slot = choice % SLOTS;
	struct slot *filled = &fuzz.model.slots[slot];
	unsigned int number = choice >> 3 & 3;

	if (!filled->registered)
		return;
	memset(page, choice ^ 0x5a, sizeof(page));
	trace("guest fills page %u of slot %u", number, slot);
	guest_store(slot_base(slot) + number * PAGE, page, sizeof(page));
	if (!(filled->pages[number].denied & NO_WRITE) && !filled->truncated)
		filled->undefined[number] = false;
}

static void raw_write(struct input *input)
{
	uint8_t choice = take(input);
	uint64_t value = take_bytes(input, 8);
	uint64_t offset = choice & 128 ? take_bytes(input, 8) : choice >> 3;
	uint8_t data[8];

	trace("raw write of %u bytes at %#llx", (choice & 7) + 1, (unsigned long long)offset);
	memcpy(data, &value, sizeof(data));
	fuzz_write(offset, data, (choice & 7) + 1);
	check_buffers();
}

static void read_register(struct input *input)
{
	uint8_t choice = take(input);

	fuzz_read(choice & 128 ? take_bytes(input, 8) : choice >> 3, (choice & 7) + 1);
}

static void transport(uint8_t which)
{
	static const uint32_t commands[] = {
		COMMAND_RESET, COMMAND_REGISTER, COMMAND_READY, COMMAND_DISCONNECT, COMMAND_ACK, COMMAND_ERROR,
		COMMAND_CHANNEL, 0,
	};

	trace("transport command %#x", commands[which & 7]);
	fuzz_command(commands[which & 7]);
}

static void truncate_file(uint8_t choice)
{
	unsigned int slot = choice % SLOTS;

	if (fuzz.model.slots[slot].registered && fuzz.model.slots[slot].backing != BACKING_ANONYMOUS) {
		trace("file of slot %u %s", slot, choice & 8 ? "cut" : "grown again");
		model_truncate(&fuzz.model, slot, choice & 8);
	}
}

void fuzz_act(struct input *input)
{
	uint8_t choice = take(input);

	switch (choice & 31) {
	case 0:
		read_register(input);
		break;
	case 1:
		raw_write(input);
		break;
	case 2:
		transport(take(input));
		break;
	case 3:
		store_payload(fuzz_take_address(input));
		break;
	case 4:
	case 5:
	case 6:
		connect_guest(input);
		break;
	case 7:
	case 8:
	case 9:
		fuzz_register(input);
		break;
	case 10:
		fuzz_unregister(input);
		break;
	case 11:
		fuzz_reset();
		break;
	case 12:
		fuzz_switch(take(input));
		break;
	case 13:
		fuzz_migrate();
		break;
	case 14:
		fuzz_damaged_restore(input);
		break;
	case 15:
		fill(input);
		break;
	case 16:
		truncate_file(take(input));
		break;
	case 17:
		fuzz_flip(take(input) & 3);
		break;
	case 18:
		fuzz_check_counters();
		break;
	default:
		if (choice >> 5 == 7)
			request_list(input);
		else
			request(input);
	}
}
