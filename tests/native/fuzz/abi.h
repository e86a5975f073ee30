/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ABI_H
#define ABI_H

#include "memctl_plugin.h"
#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDLES 4u
#define AREA 16384u
#define PAGE 4096ull

#define ALLOW(status) (1u << (status))

struct handle {
	memctl_device *device;
	bool live;
};

extern struct handle handles[HANDLES];
extern uint8_t *memory;
extern uint8_t *edge; /* AREA bytes and more lie before it; the page behind it is inaccessible */
extern struct input *calls; /* where each call takes its arguments from */

/* A handle that may be wrong: then adds what the call may return to *allowed. */
memctl_device *take_handle(uint32_t *allowed);

/*
 * Checks what a call returned, bits of ALLOW: one of wrong if anything is wrong with its arguments, else one of right. A status
 * that is an error has a message.
 */
void judge(const char *call, memctl_status status, uint32_t wrong, uint32_t right);

/* One call each, its arguments taken from the input. */
void call_create(void);
void call_destroy(void);
void call_register_region(void);
void call_unregister_region(void);
void call_register_blocks(void);
void call_change_blocks(bool plug);
void call_access_registers(bool write);
void call_set_switch(uint8_t which);
void call_save(void);
void call_restore(void);
void call_statistics(void);
void call_attributes(void);
void call_report(void);
void call_identity(void);
void call_check(void);
void call_message(void);

#endif
