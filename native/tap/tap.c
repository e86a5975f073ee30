// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "tap.h"

#include <stdarg.h>

#if __STDC_HOSTED__
#include <stdio.h>
#include <stdlib.h>

typedef unsigned int number;

#define print printf
#define print_list vprintf

static void end_line(void)
{
	putchar('\n');
	fflush(stdout);
}
#else
#include <stdint.h>

#include "console.h"

typedef uint64_t number;

static void end_line(void)
{
	print("\n");
}
#endif

static number results, failures;

bool tap_check(bool passed, const char *format, ...)
{
	va_list arguments;

	failures += !passed;
	print("%sok %u - ", passed ? "" : "not ", ++results);
	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
	end_line();
	return passed;
}

void tap_skip(const char *description, const char *reason)
{
	print("ok %u - %s # SKIP %s", ++results, description, reason);
	end_line();
}

void tap_note(const char *format, ...)
{
	va_list arguments;

	print("# ");
	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
	end_line();
}

bool tap_finish(void)
{
	print("1..%u", results);
	end_line();
	return results && !failures;
}

#if __STDC_HOSTED__
void tap_bail_out(const char *format, ...)
{
	va_list arguments;

	print("Bail out! ");
	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
	end_line();
	exit(EXIT_FAILURE);
}
#endif
