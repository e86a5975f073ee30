/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds, as the kernel counts it. */
#ifndef RESOURCES_H
#define RESOURCES_H

#include <stdbool.h>

struct resources {
	long resident_kib;
	long mappings;
	long threads;
	long files;
};

struct resources resources_now(void);

/* Whether nothing leaked between the two: threads and files equal, mappings and memory within what allocators keep. */
bool resources_same(const struct resources *before, const struct resources *after);

/* The mappings of this process. */
long resources_mappings(void);

#endif
