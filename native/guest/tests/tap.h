/* SPDX-License-Identifier: GPL-2.0 */
/* Test Anything Protocol, version 12, on standard output. */
#ifndef MEMCTL_TAP_H
#define MEMCTL_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned int tap_count, tap_failed;

/* Prints one result; the description is a printf() format. */
__attribute__((format(printf, 2, 3), unused))
static bool ok(bool passed, const char *format, ...)
{
	va_list arguments;

	tap_count++;
	tap_failed += !passed;
	printf("%sok %u - ", passed ? "" : "not ", tap_count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	return passed;
}

/* A test that can't be made here, and why. */
__attribute__((unused))
static void skip(const char *description, const char *reason)
{
	printf("ok %u - %s # SKIP %s\n", ++tap_count, description, reason);
	fflush(stdout);
}

/* The rest makes no sense: ends the program. */
__attribute__((format(printf, 1, 2), noreturn, unused))
static void bail_out(const char *format, ...)
{
	va_list arguments;

	printf("Bail out! ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	exit(EXIT_FAILURE);
}

/* Prints the plan; returns the program's exit status. A test that tested nothing failed. */
__attribute__((unused))
static int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed || !tap_count ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* MEMCTL_TAP_H */
