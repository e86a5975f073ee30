/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memctl plugin written for the tests: a device that breaks, or that is older,
 * in a way of its own each time that a driver connects, and one whose host memory
 * changes its kind.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <memctl_plugin.h>

#include <stdbool.h>

#define MAX_CHANNELS 64
#define MAX_REGIONS 8

struct memctl_device {
	struct memctl_region regions[MAX_REGIONS];
	uint64_t payload, buffers[MAX_CHANNELS];
	uint32_t answer;
	unsigned int conduct, channels, answered;
	bool moves;	/* option moves=on: private memory until a range is named */
	bool moved;
	uint64_t singles, lists;	/* requests that were answered */
};

/* Where the guest's bytes are, NULL unless all of them lie in one region. */
uint8_t *host_address(const struct memctl_device *device, uint64_t guest_address, uint64_t length);

/* The next way to break: a driver connects anew. */
void next_conduct(struct memctl_device *device);
/* Whether transport commands are answered. */
bool is_mute(const struct memctl_device *device);
/* The command of a channel. */
void request(struct memctl_device *device, uint32_t channel);

#endif
