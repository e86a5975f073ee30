/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for a while: what the system had is put back. */
#ifndef HUGE_PAGES_H
#define HUGE_PAGES_H

#include <stdbool.h>

/* Makes room for one guest and what it is compared with. Returns false where the system gives none, with the reason. */
bool huge_pages_reserve(const char **reason);
void huge_pages_release(void);

#endif
