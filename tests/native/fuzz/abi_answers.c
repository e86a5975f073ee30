// SPDX-License-Identifier: Apache-2.0
/* The calls that fill a buffer of the caller's or read one. */
#include "abi.h"
#include "plugin.h"

#include <string.h>

/* What fits was stored, and what was not stored does not fit. */
static void judge_length(const char *call, memctl_status status, size_t length, size_t capacity)
{
	if (status == MEMCTL_OK ? length > capacity : status == MEMCTL_BUFFER_TOO_SMALL && length <= capacity)
		finding("%s returned %u and stored length %zu for room of %zu", call, status, length, capacity);
}

void call_save(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = choice & 64 ? (size_t)choice * 16 : take(calls);
	size_t length = SIZE_MAX;
	uint8_t *buffer = choice & 1 ? NULL : edge - capacity;
	memctl_status status;

	if ((!buffer && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_save(device, buffer, capacity, choice & 2 ? NULL : &length);
	judge("device_save", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	if (status == MEMCTL_OK ? length > capacity : status == MEMCTL_BUFFER_TOO_SMALL ? length <= capacity : length != SIZE_MAX)
		finding("device_save returned %u and stored length %zu for room of %zu", status, length, capacity);
}

void call_restore(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t length = choice & 64 ? SIZE_MAX - choice : choice & 63;

	/* More than 2 GiB, or null: refused before a byte is read. */
	if (choice & 128 || length > 64)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	for (size_t index = 0; index < length && length <= 64; index++)
		edge[-(int)(length - index)] = take(calls);
	judge("device_restore", plugin.device_restore(device, choice & 128 ? NULL : edge - (length & 63), length), wrong,
	      ALLOW(MEMCTL_INVALID_STATE));
}

void call_statistics(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = take(calls) % 80;
	size_t count = SIZE_MAX;
	void *counters = choice & 1 ? NULL : edge - capacity * sizeof(struct memctl_counter);
	memctl_status status;

	if ((!counters && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_statistics(device, counters, capacity, choice & 2 ? NULL : &count);
	judge("device_statistics", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	judge_length("device_statistics", status, count, capacity);
}

void call_attributes(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = take(calls) % 80;
	size_t count = SIZE_MAX;
	void *extents = choice & 1 ? NULL : edge - capacity * sizeof(struct memctl_extent);

	if ((!extents && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	/* No guest here connects, so no guest sets anything. */
	judge("device_attributes", plugin.device_attributes(device, extents, capacity, choice & 2 ? NULL : &count), wrong,
	      ALLOW(MEMCTL_OK));
	if (count != (wrong ? SIZE_MAX : 0))
		finding("device_attributes stored count %zu", count);
}

void call_report(void)
{
	uint32_t wrong = 0;
	memctl_device *device = take_handle(&wrong);
	uint8_t choice = take(calls);
	size_t capacity = (size_t)take(calls) * 64;
	size_t length = SIZE_MAX;
	char *buffer = choice & 1 ? NULL : (char *)edge - capacity;
	memctl_status status;

	if ((!buffer && capacity) || choice & 2)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	status = plugin.device_report(device, buffer, capacity, choice & 2 ? NULL : &length);
	judge("device_report", status, wrong, ALLOW(MEMCTL_OK) | ALLOW(MEMCTL_BUFFER_TOO_SMALL));
	judge_length("device_report", status, length, capacity);
}

void call_identity(void)
{
	uint32_t wrong = 0;
	uint8_t choice = take(calls);
	struct memctl_pci_identity given = { .size = choice & 1 ? take(calls) : sizeof(given) };
	uint8_t *at = edge - sizeof(given) - (choice & 2 ? 4 : 0);

	if (given.size < sizeof(given))
		wrong |= ALLOW(MEMCTL_INVALID_SIZE);
	if (choice & (2 | 4))
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	memcpy(at, &given, sizeof(given));
	judge("pci_identity", plugin.pci_identity(choice & 4 ? NULL : (struct memctl_pci_identity *)(void *)at), wrong,
	      ALLOW(MEMCTL_OK));
	if (memcmp(at, &given, wrong ? sizeof(given) : sizeof(given.size)) != 0)
		finding("pci_identity changed what it must not");
}

void call_check(void)
{
	uint8_t choice = take(calls);
	size_t length = take(calls);
	uint8_t *options = edge - length;
	uint32_t wrong = 0;
	uint32_t right = ALLOW(MEMCTL_OK);

	for (size_t index = 0; index < length; index++)
		options[index] = take(calls);
	if (length)
		right |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	if (length && choice & 1)
		wrong |= ALLOW(MEMCTL_INVALID_ARGUMENT);
	judge("check_options", plugin.check_options(choice & 1 ? NULL : (const char *)options, length), wrong, right);
}

void call_message(void)
{
	uint8_t choice = take(calls);
	size_t capacity = choice & 63;

	memset(edge - 64, 0xee, 64);
	plugin.last_error(choice & 64 ? NULL : (char *)edge - capacity, capacity);
	if (edge[-(int)capacity - 1] != (capacity == 64 ? edge[-65] : 0xee))
		finding("last_error wrote in front of its buffer");
}
