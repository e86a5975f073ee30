/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel does when the same call is made on memory of the same kind in this process: the measure for the
 * guest's answers, so that what a kernel lacks is seen and not assumed.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm_process.h"

/* Names that the device gives: this and the number. */
#define NAME_PREFIX "memctl-"

enum func_code {
	FUNC_INFO,
	FUNC_DONTNEED,
	FUNC_REMOVE,
	FUNC_FREE,
	FUNC_PAGEOUT,
	FUNC_UNMERGEABLE,
	FUNC_DONTDUMP,
	FUNC_MLOCK,
	FUNC_MUNLOCK,
	FUNC_MPROTECT_NONE,
	FUNC_MPROTECT_R,
	FUNC_MPROTECT_W,
	FUNC_MPROTECT_RW,
	FUNC_SET_VMA_ANON_NAME,
	FUNC_CODES,
};

/* A range with neighbours on both sides, as the guest's. Zero-initialised: none yet. */
struct reference {
	char *all;
	size_t all_length;
	char *range;
	size_t length;
	int file; /* behind shared memory; -1: none */
};

/*
 * Replaces the range by a new one of this backing, filled or untouched. Returns false where the system has no such memory
 * (errno).
 */
bool reference_new(struct reference *reference, enum backing backing, size_t all_length, size_t before_length, size_t length,
		   bool filled);
void reference_free(struct reference *reference);

/* The call behind a function code on the whole range. Returns its errno or 0. */
int reference_call(const struct reference *reference, enum func_code code, unsigned long long arg);

/* What naming memory of this backing answers here: 0, or an errno. -1 where the system has no such memory. */
int reference_name_errno(enum backing backing);

#endif
