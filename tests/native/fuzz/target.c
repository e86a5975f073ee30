// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 65536u
#define TRACE_LINES 64u
#define TRACE_WIDTH 160u

/*
 * libFuzzer takes a section of this name as counters beside those of instrumented code, and clears it before each input.
 * Volatile: nothing here reads them.
 */
__attribute__((section("__libfuzzer_extra_counters"))) static volatile uint8_t counters[FEATURES];
static uint8_t ever[FEATURES / 8];
static unsigned int seen;
static char lines[TRACE_LINES][TRACE_WIDTH];
static unsigned int line_count;

static void report(void)
{
	fprintf(stderr, "# %u different behaviours observed\n", seen);
}

void observe(uint64_t feature)
{
	unsigned int at = (unsigned int)((feature * 0x9e3779b97f4a7c15ull) >> 48);

	if (!seen)
		atexit(report);
	/* Seen or not: counting how often only makes more inputs look new, and the fuzzer slower. */
	counters[at] = 1;
	if (!(ever[at / 8] & (1u << at % 8))) {
		ever[at / 8] |= (uint8_t)(1u << at % 8);
		seen++;
	}
}

void trace(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(lines[line_count++ % TRACE_LINES], TRACE_WIDTH, format, arguments);
	va_end(arguments);
}

void finding(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	for (unsigned int line = line_count > TRACE_LINES ? line_count - TRACE_LINES : 0; line < line_count; line++)
		fprintf(stderr, "    %s\n", lines[line % TRACE_LINES]);
	fputs("FINDING: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

uint8_t take(struct input *input)
{
	return input->next < input->end ? *input->next++ : 0;
}

uint64_t take_bytes(struct input *input, unsigned int count)
{
	uint64_t value = 0;

	for (unsigned int index = 0; index < count; index++)
		value |= (uint64_t)take(input) << (8 * index);
	return value;
}
