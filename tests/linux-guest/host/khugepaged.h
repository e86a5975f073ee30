/* SPDX-License-Identifier: GPL-2.0 */
/* The host kernel's thread that makes huge pages of small ones. */
#ifndef KHUGEPAGED_H
#define KHUGEPAGED_H

#include <stddef.h>

/*
 * Has it look at all memory, twice, where it may fill up to max_ptes_none pages
 * of a huge page that are not there. Its settings are as before afterwards.
 * Writes "done" to out, or "late" if it did not come round in a minute, and
 * returns 0; or -1 where this host has none or does not let us.
 */
int khugepaged_scan(unsigned long max_ptes_none, char *out, size_t size);

#endif
