/* SPDX-License-Identifier: Apache-2.0 */
/* The device's counters, as the VMM's API tells them. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The answer of the VMM that listens on a socket. Returns whether there is one. */
bool counters_read(const char *socket_path, char *answer, size_t size);

/* A counter of that answer; UINT64_MAX if it is not there. */
uint64_t counter(const char *answer, const char *name);

#endif
