/* SPDX-License-Identifier: GPL-2.0 */
/* What the VMM itself tells on its API's socket. */
#ifndef API_H
#define API_H

#include <stddef.h>

/*
 * Writes a counter of a memctl device, "memctl" or "memctl1" and so on, to out
 * as a decimal number. Returns 0, or -1 where the VMM does not tell it.
 */
int api_counter(const char *socket_path, const char *device, const char *counter,
		char *out, size_t size);

#endif
