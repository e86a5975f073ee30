// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "boot_info.h"
#include "machine.h"
#include "tap.h"

enum state { DISCONNECTED, REGISTERING, READY, STATES };

static const char *const state_names[STATES] = { "Disconnected", "Registering", "Ready" };

/* Takes the device to a state; in Ready one channel is connected. */
static struct channel enter(enum state state)
{
	static uint64_t buffer[4];
	struct channel channel = { 0, 0 };

	transport(MEMCTL_TRANSPORT_RESET);
	if (state == DISCONNECTED)
		transport(MEMCTL_TRANSPORT_DISCONNECT);
	if (state == READY) {
		register_buffer((uint64_t)buffer, &channel);
		transport(MEMCTL_TRANSPORT_READY);
	}
	return channel;
}

/* Tells the state by what is legal in it. channel was connected before, if the device was Ready. */
static enum state observe(const struct channel *channel)
{
	struct memctl_vmm_ret answer;

	if (channel->command) {
		answer = request(channel, MEMCTL_INFO, 1, 1, 1);
		if (is_info(&answer))
			return READY;
	}
	return transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK ? REGISTERING : DISCONNECTED;
}

void test_transport(void)
{
	static const struct {
		const char *name;
		uint32_t command;
		enum state after[STATES];
	} rows[] = {
		{ "RESET", MEMCTL_TRANSPORT_RESET, { REGISTERING, REGISTERING, REGISTERING } },
		{ "REGISTER", MEMCTL_TRANSPORT_REGISTER, { DISCONNECTED, REGISTERING, DISCONNECTED } },
		{ "DISCONNECT", MEMCTL_TRANSPORT_DISCONNECT, { DISCONNECTED, DISCONNECTED, DISCONNECTED } },
		{ "ACK", MEMCTL_TRANSPORT_ACK, { DISCONNECTED, DISCONNECTED, DISCONNECTED } },
		{ "ERROR", MEMCTL_TRANSPORT_ERROR, { DISCONNECTED, DISCONNECTED, DISCONNECTED } },
	};
	uint64_t buffer = take_memory(PAGE_SIZE, PAGE_SIZE);

	for (unsigned int row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		for (enum state state = 0; state < STATES; state++) {
			struct channel channel = enter(state);
			enum state after = rows[row].after[state];
			uint32_t expected = after == DISCONNECTED ? MEMCTL_TRANSPORT_ERROR : MEMCTL_TRANSPORT_ACK;
			uint32_t answer;

			mmio_write64(memctl_bar, buffer);
			answer = transport(rows[row].command);
			tap_check(answer == expected && observe(&channel) == after, "%s in %s leads to %s", rows[row].name,
				  state_names[state], state_names[after]);
		}
	}
	/* READY is what observe() itself uses, so it stands apart: Ready shows in a channel that answers. */
	for (enum state state = 0; state < STATES; state++) {
		struct channel channel = enter(state);
		bool legal = state == REGISTERING;

		if (legal)
			register_buffer(buffer, &channel);
		tap_check(transport(MEMCTL_TRANSPORT_READY) == (legal ? MEMCTL_TRANSPORT_ACK : MEMCTL_TRANSPORT_ERROR) &&
				  observe(&channel) == (legal ? READY : DISCONNECTED),
			  "READY in %s leads to %s", state_names[state], legal ? "Ready" : "Disconnected");
	}
	for (enum state state = 0; state < STATES; state++) {
		struct channel channel = enter(state);
		uint32_t before = mmio_read32(memctl_bar + MEMCTL_COMMAND);

		tap_check(transport(0) == before && transport(0x12345678) == before && transport(~0u) == before &&
				  observe(&channel) == state,
			  "commands that are none change nothing in %s", state_names[state]);
	}
	transport(MEMCTL_TRANSPORT_DISCONNECT);
	tap_check(transport(MEMCTL_TRANSPORT_RESET) == MEMCTL_TRANSPORT_ACK, "RESET leads out of Disconnected again");
}

/* A REGISTER that must fail: ERROR, Disconnected, and 0x0 still reads what was stored there. */
static void check_refused(uint64_t address, const char *what)
{
	struct channel channel;
	bool refused;

	transport(MEMCTL_TRANSPORT_RESET);
	refused = !register_buffer(address, &channel) &&
		  mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ERROR &&
		  mmio_read64(memctl_bar) == address && transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ERROR;
	tap_check(refused, "REGISTER refuses %s (0x%x)", what, address);
}

static void check_accepted(uint64_t address, const char *what)
{
	struct channel channel;
	struct memctl_vmm_ret answer = { 0 };

	transport(MEMCTL_TRANSPORT_RESET);
	if (register_buffer(address, &channel) && transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK)
		answer = request(&channel, MEMCTL_INFO, 0, 0, 0);
	tap_check(is_info(&answer), "REGISTER takes %s (0x%x)", what, address);
}

void test_register_addresses(void)
{
	uint64_t pages = take_memory(2 * PAGE_SIZE, PAGE_SIZE);

	check_refused(ram_end_below_4g, "the first byte behind RAM");
	check_refused(ram_end_below_4g - 8, "a buffer that RAM ends in");
	check_refused(ram_end_below_4g - MEMCTL_BUFFER_SIZE + 8, "a buffer of which 8 bytes are no RAM");
	check_refused(memctl_bar, "the device's own BAR");
	check_refused(ram_end + (1ull << 40), "an address far behind RAM");
	check_refused(~0ull - 15, "a buffer that wraps");
	check_refused(~0ull - 31, "the last 32 bytes of the address space");
	check_refused(1ull << 63, "an address with only the top bit");
	check_accepted(ram_end_below_4g - MEMCTL_BUFFER_SIZE, "the last 32 bytes of RAM");
	check_accepted(pages, "the start of a page");
	check_accepted(pages + PAGE_SIZE - 8, "a buffer of which 8 bytes lie in the first page");
	check_accepted(pages + PAGE_SIZE - 16, "a buffer across the middle of two pages");
	check_accepted(pages + PAGE_SIZE - 24, "a buffer of which 24 bytes lie in the first page");
}

/* Connects buffers until REGISTER fails or one more than the limit has succeeded. */
static uint64_t register_until_error(struct channel *channels, uint64_t buffers)
{
	uint64_t count = 0;

	while (count <= options.channels && register_buffer(buffers + count * MEMCTL_BUFFER_SIZE, &channels[count]))
		count++;
	return count;
}

/* Two channels with one command would show: one of the two buffers stays unanswered. */
static bool each_answers_in_its_buffer(const struct channel *channels, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct memctl_vmm_ret answer;

		if (!(channels[i].command & MEMCTL_CHANNEL_BIT))
			return false;
		answer = request(&channels[i], MEMCTL_INFO, ~0ull, 0, 0);
		if (!is_info(&answer))
			return false;
	}
	return true;
}

void test_channels(void)
{
	uint64_t most = options.channels + 1;
	uint64_t buffers = take_memory(most * MEMCTL_BUFFER_SIZE, PAGE_SIZE);
	struct channel *channels = (struct channel *)take_memory(most * sizeof(struct channel), PAGE_SIZE);
	uint64_t count;

	transport(MEMCTL_TRANSPORT_RESET);
	count = register_until_error(channels, buffers);
	tap_check(count == options.channels, "%u channels connect, the next REGISTER answers ERROR", count);
	tap_check(transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ERROR, "one channel too many leaves Disconnected");

	transport(MEMCTL_TRANSPORT_RESET);
	for (count = 0; count < options.channels; count++)
		register_buffer(buffers + count * MEMCTL_BUFFER_SIZE, &channels[count]);
	transport(MEMCTL_TRANSPORT_READY);
	tap_check(each_answers_in_its_buffer(channels, count), "each of %u channels answers in its own buffer", count);
}
