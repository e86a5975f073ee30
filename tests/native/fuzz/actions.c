// SPDX-License-Identifier: Apache-2.0
/* Structured actions of a guest and its VMM on the real library, every answer compared with the model's. */
#define _GNU_SOURCE
#include "actions.h"

#include "guest_copy.h"
#include "plugin.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_ACTIONS 200u

struct fuzz fuzz;

static void on_dirty(void *context, uint64_t guest_address, uint64_t length)
{
	(void)context;
	if (!length)
		finding("an empty range is reported as dirty");
	if (fuzz.dirty_count == MAX_REPORTED)
		finding("more is reported as dirty than a list names");
	fuzz.dirty[fuzz.dirty_count++] = (struct range){ guest_address, length };
}

static const struct memctl_host host = {
	.size = sizeof(host),
	.abi_version = MEMCTL_ABI_VERSION,
	.dirty = on_dirty,
	.copy_from_guest = guest_copy,
	.copy_to_guest = guest_copy,
};

void fuzz_new_device(void)
{
	const struct model_options *options = &fuzz.model.options;
	char text[512];
	/* The device stops no list before its end. */
	int end = snprintf(text, sizeof(text),
			   "on_fault=open,max_request_time=60000000,dialect=%s,channels=%u,max_splits=%u,max_locked=%uK",
			   options->pvmemcontrol ? "pvmemcontrol" : "memctl", options->channels, options->max_splits,
			   options->max_locked_pages * 4);

	if (options->allowed != (1u << FUNCTION_COUNT) - 1) {
		end += snprintf(text + end, sizeof(text) - (size_t)end, ",allow=[");
		for (unsigned int function = 0; function < FUNCTION_COUNT; function++) {
			if (options->allowed & (1u << function))
				end += snprintf(text + end, sizeof(text) - (size_t)end, "%s,", function_name(function));
		}
		snprintf(text + end, sizeof(text) - (size_t)end, "]");
	}
	fuzz.device = plugin_create(&host, text);
}

void fuzz_expect(uint32_t status, uint32_t expected, const char *call)
{
	if (status != expected)
		finding("%s returned status %u, not %u", call, status, expected);
}

static bool reported(const struct range *range)
{
	for (unsigned int at = 0; at < fuzz.dirty_count; at++) {
		if (!memcmp(&fuzz.dirty[at], range, sizeof(*range)))
			return true;
	}
	return false;
}

/* What must be reported is, and nothing else unless the device may have asked twice. */
static void check_dirty(void)
{
	if (!fuzz.model.asked_twice && fuzz.dirty_count != fuzz.model.dirty_count)
		finding("the dirty log contains %u ranges, not %u", fuzz.dirty_count, fuzz.model.dirty_count);
	for (unsigned int at = 0; at < fuzz.model.dirty_count; at++) {
		if (!reported(&fuzz.model.dirty[at]))
			finding("the dirty log lacks %#llx, +%#llx", (unsigned long long)fuzz.model.dirty[at].start,
				(unsigned long long)fuzz.model.dirty[at].length);
	}
}

void fuzz_write(uint64_t offset, const uint8_t *data, size_t length)
{
	uint32_t expected = model_write(&fuzz.model, offset, data, length);

	fuzz.dirty_count = 0;
	fuzz_expect(plugin.mmio_write(fuzz.device, offset, data, length), expected, "mmio_write");
	check_dirty();
	observe((uint64_t)fuzz.model.transport << 8 | expected | (length << 16) | (offset < 20 ? offset : 20) << 24);
}

void fuzz_read(uint64_t offset, size_t length)
{
	uint8_t expected[8];
	uint8_t data[8];

	memset(data, 0xa5, sizeof(data));
	model_read(&fuzz.model, offset, expected, length);
	fuzz_expect(plugin.mmio_read(fuzz.device, offset, data, length), MEMCTL_OK, "mmio_read");
	if (memcmp(data, expected, length) != 0)
		finding("%zu bytes at register offset %#llx differ", length, (unsigned long long)offset);
}

void fuzz_command(uint32_t value)
{
	uint8_t data[4];

	memcpy(data, &value, sizeof(data));
	fuzz_write(REGISTER_COMMAND, data, sizeof(data));
	fuzz_read(REGISTER_PAYLOAD, 8);
	fuzz_read(REGISTER_COMMAND, 8);
}

static struct model_options take_options(struct input *input)
{
	uint8_t first = take(input);
	uint8_t second = take(input);

	return (struct model_options){
		.pvmemcontrol = first & 1,
		.channels = 1 + (first >> 1 & 3),
		.max_splits = second & 16 ? 64 : second & 15,
		.max_locked_pages = second >> 5,
		/* INFO can't be denied. */
		.allowed = 1u << INFO | (first & 128 ? (uint32_t)take_bytes(input, 2) : UINT32_MAX) % (1u << FUNCTION_COUNT),
	};
}

static void check_everything(void)
{
	const char *differs = model_compare(&fuzz.model);

	if (differs)
		finding("guest memory: %s", differs);
	fuzz_check_counters();
	fuzz_read(0, 8);
	fuzz_read(8, 8);
}

static void start(void)
{
	plugin_load();
	guest_copy_install();
	model_reserve(&fuzz.model);
	fuzz_start_flipper();
	fuzz.ready = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };
	struct model_options options = take_options(&input);

	if (!fuzz.ready)
		start();
	trace("-- dialect %d, %u channels, %u splits, %u pages to lock, functions %#x", options.pvmemcontrol, options.channels,
	      options.max_splits, options.max_locked_pages, options.allowed);
	model_start(&fuzz.model, &options);
	fuzz_new_device();
	for (unsigned int count = 0; input.next < input.end && count < MAX_ACTIONS; count++)
		fuzz_act(&input);
	check_everything();
	fuzz_expect(plugin.device_destroy(fuzz.device), MEMCTL_OK, "device_destroy");
	/* Touches no guest memory: what the guest had set is still on it, and goes with the mapping. */
	return 0;
}
