/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACTIONS_H
#define ACTIONS_H

#include "model.h"
#include "plugin.h"
#include "target.h"

/* Each range of a list twice, and the answer. */
#define MAX_REPORTED (2 * LIST_ENTRIES + 1)

/* One run's device beside its model. */
struct fuzz {
	bool ready;
	memctl_device *device;
	struct model model;
	struct range dirty[MAX_REPORTED];
	unsigned int dirty_count;
};

extern struct fuzz fuzz;

/* actions.c: the library and the model side by side */
void fuzz_new_device(void);
void fuzz_expect(uint32_t status, uint32_t expected, const char *call);
void fuzz_write(uint64_t offset, const uint8_t *data, size_t length);
void fuzz_read(uint64_t offset, size_t length);
void fuzz_command(uint32_t value);

/* vmm_actions.c: what the VMM does */
void fuzz_register(struct input *input);
void fuzz_unregister(struct input *input);
void fuzz_reset(void);
void fuzz_switch(uint8_t which);
void fuzz_migrate(void);
void fuzz_damaged_restore(struct input *input);
void fuzz_check_counters(void);

/* guest_actions.c: what the guest does, and the choice of an action */
void fuzz_act(struct input *input);
uint64_t fuzz_take_address(struct input *input);

/* flipper.c: a second thread that changes a buffer while the device reads it */
void fuzz_start_flipper(void);
void fuzz_flip(unsigned int channel);

#endif
