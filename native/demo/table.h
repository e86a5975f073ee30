/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's table: one row for each request. */
#ifndef TABLE_H
#define TABLE_H

#include "steps.h"

struct totals {
	unsigned int requests;
	unsigned int wrong;
	uint64_t freed_kib;
	uint64_t lazily_freed_kib; /* freed when the host needs memory */
};

void table_head(void);

/* Prints the row, and below it what is wrong, if anything is; adds to totals. */
void table_row(const struct step *step, struct totals *totals);

#endif
