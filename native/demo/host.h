/* SPDX-License-Identifier: Apache-2.0 */
/* What this host has, as far as it decides what can be seen. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>

bool host_has_swap(void);

/* Whether the kernel knows KSM, running or not. */
bool host_has_ksm(void);

/* Prints one line that describes the host. */
void host_show(void);

#endif
