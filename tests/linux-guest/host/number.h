/* SPDX-License-Identifier: GPL-2.0 */
/* Files of the kernel that hold one number. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>

/* False where there is no such file or no number in it. */
bool read_number(const char *folder, const char *name, unsigned long *number);

#endif
