/* SPDX-License-Identifier: Apache-2.0 */
/* TAP on standard output, numbered through. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* One result; the format's text is the description. Returns passed. */
bool tap_check(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A test that did not run, and why. */
void tap_skip(const char *description, const char *reason);

/* A line of explanation. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the plan. Returns whether nothing failed and something ran. */
bool tap_finish(void);

#endif
