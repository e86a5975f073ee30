/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that survive an access fault, as a VMM offers them to the device. */
#ifndef GUEST_COPY_H
#define GUEST_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes SIGSEGV and SIGBUS, passing on what is not from a copy. Call after the library was loaded. */
void guest_copy_install(void);

/* The shape of memctl_host's copy callbacks: 0, or EFAULT with nothing or a part copied. Any length. */
int32_t guest_copy(void *context, void *destination, const void *source, size_t length);

/*
 * From now on a fault of a copy with a context (a device's, not the harness's own) in [start, start + length) is counted:
 * nothing may touch the range any more.
 */
void guest_copy_quarantine(unsigned int slot, const void *start, size_t length);

/* Ends the quarantine of a slot. */
void guest_copy_release(unsigned int slot);

/* Faults of copies in ranges that were under quarantine. */
unsigned long guest_copy_trespasses(void);

#define GUEST_COPY_SLOTS 64

#endif
