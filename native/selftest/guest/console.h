/* SPDX-License-Identifier: Apache-2.0 */
/* The first serial port: text out, single bytes in. Used by one vCPU at a time. */
#ifndef SELFTEST_CONSOLE_H
#define SELFTEST_CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>

/* Formats %s, %u (uint64_t, decimal), %x (uint64_t, hexadecimal without prefix) and %%. Integers must be passed as uint64_t. */
void print(const char *format, ...);
void print_list(const char *format, va_list arguments);

/* Whether a byte waits on serial input; it is taken. */
bool console_poll(void);

/* Waits until a byte comes on serial input. The one at the other end bounds the time. */
void console_wait(void);

#endif
