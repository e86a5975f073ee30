// SPDX-License-Identifier: Apache-2.0
/*
 * Another of the guest's CPUs rewrites the address of a request while the device serves it, between one in guest RAM and one that
 * is not. Length 0 and MPROTECT_RW: the request has no effect, and the answer shows which of the two the device read.
 */
#define _GNU_SOURCE
#include "actions.h"

#include "guest_copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static pthread_barrier_t barrier;
static volatile uint64_t *flipped;
static uint64_t inside;
static atomic_bool stop;

static void *flip(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&barrier);
		while (!stop) {
			*flipped = UINT64_MAX - PAGE + 1;
			*flipped = inside;
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

void fuzz_start_flipper(void)
{
	pthread_t thread;

	if (pthread_barrier_init(&barrier, NULL, 2) || pthread_create(&thread, NULL, flip, NULL))
		finding("no second thread");
}

/* The slot that wholly holds a buffer that can be written, or null. */
static struct slot *home(uint64_t buffer, uint64_t *offset)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		*offset = buffer - slot_base(slot);
		if (fuzz.model.slots[slot].registered && *offset <= SLOT_BYTES - BUFFER_SIZE && *offset % 8 == 0 &&
		    !fuzz.model.slots[slot].truncated)
			return &fuzz.model.slots[slot];
	}
	return NULL;
}

void fuzz_flip(unsigned int channel)
{
	static const uint8_t zeros[BUFFER_SIZE];
	uint64_t call[4] = { 12, 0, 0, 0 };
	uint32_t command = COMMAND_CHANNEL + channel;
	uint8_t data[4];
	uint32_t answer[2];
	uint64_t offset;
	struct slot *slot;

	if (fuzz.model.transport != READY || channel >= fuzz.model.channel_count ||
	    !(fuzz.model.options.allowed & (1u << MPROTECT_RW)))
		return;
	slot = home(fuzz.model.buffers[channel], &offset);
	if (!slot)
		return;
	trace("request on channel %u while another CPU rewrites it", channel);
	inside = slot_base((unsigned int)(slot - fuzz.model.slots));
	call[1] = inside;
	memcpy(slot->real + offset, call, sizeof(call));
	memcpy(data, &command, sizeof(data));
	flipped = (volatile uint64_t *)(void *)(slot->real + offset + 8);
	stop = false;
	pthread_barrier_wait(&barrier);
	fuzz_expect(plugin.mmio_write(fuzz.device, REGISTER_COMMAND, data, sizeof(data)), MEMCTL_OK, "mmio_write");
	stop = true;
	pthread_barrier_wait(&barrier);

	memcpy(answer, slot->real + offset, sizeof(answer));
	fuzz.model.requests[MPROTECT_RW]++;
	if (answer[0] == EINVAL) {
		fuzz.model.errors[MPROTECT_RW]++;
		fuzz.model.refused[ERROR_NOT_GUEST_MEMORY]++;
		if (answer[1] != (fuzz.model.options.pvmemcontrol ? 12 : ERROR_NOT_GUEST_MEMORY))
			finding("a rewritten request was answered EINVAL, code %u", answer[1]);
	} else if (answer[0] || answer[1]) {
		finding("a rewritten request was answered %u, code %u", answer[0], answer[1]);
	}
	if (memcmp(slot->real + offset + 16, zeros, 16) != 0)
		finding("the end of a rewritten request's answer is not zero");
	memcpy(slot->real + offset, zeros, sizeof(zeros));
	memcpy(slot->twin + offset, zeros, sizeof(zeros));
	observe(0xffull << 40 | answer[0]);
}
