// SPDX-License-Identifier: Apache-2.0
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>

static unsigned int count;
static unsigned int failures;

bool tap_check(bool passed, const char *format, ...)
{
	va_list arguments;

	printf("%s %u - ", passed ? "ok" : "not ok", ++count);
	if (!passed)
		failures++;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	return passed;
}

void tap_skip(const char *description, const char *reason)
{
	printf("ok %u - %s # SKIP %s\n", ++count, description, reason);
	fflush(stdout);
}

void tap_note(const char *format, ...)
{
	va_list arguments;

	fputs("# ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

bool tap_finish(void)
{
	printf("1..%u\n", count);
	fflush(stdout);
	return count && !failures;
}
