/* SPDX-License-Identifier: Apache-2.0 */
/* The format of saved states, read by code of its own. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_REGIONS 3u

struct state_limits {
	uint32_t channels;
	/* The budget, and two for each region that the VMM may have taken out of the middle of an extent. */
	uint32_t splits;
	uint64_t locked;
	struct {
		uint64_t start;
		uint64_t length;
	} regions[STATE_REGIONS];
};

enum state_verdict {
	STATE_FITS,
	STATE_FITS_IF_MERGED, /* where the kernel can merge pages */
	STATE_NO_STATE,
	STATE_CHECKSUM,
	STATE_SECTIONS,
	STATE_LACKING,
	STATE_ENDS_EARLY,
	STATE_BAD_VALUE,
	STATE_OTHER_DEVICE,
	STATE_CHANNELS,
	STATE_RANGES,
	STATE_BUDGET,
	STATE_BUFFER,
};

/* Writes the right length and checksum, if there is room for them. */
void state_fix_up(uint8_t *state, size_t length);

/*
 * Whether a device with these limits must take the state, and if so what it must save then: neighbours that are equal joined,
 * ranges without attributes left out. The canonical state is never longer than the state.
 */
enum state_verdict state_judge(const uint8_t *state, size_t length, const struct state_limits *limits, bool pvmemcontrol,
			       uint8_t *canonical, size_t *canonical_length);

#endif
