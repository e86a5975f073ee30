/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fuzz target offers: to libFuzzer as it is, to replay.c as a plain function. The library has no coverage
 * instrumentation, so guidance comes from what is observed of it (observe()) and from the model's own code, which
 * is instrumented and has to follow every way that the device goes.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A behaviour, for coverage. Different behaviours have different numbers; their count is printed at the end. */
void observe(uint64_t feature);

/* Ends the process with a message and a trace of the actions so far: a finding. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line of the trace that finding() prints; the newest are kept. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes of the input taken one after the other; zeros past its end. */
struct input {
	const uint8_t *next;
	const uint8_t *end;
};

uint8_t take(struct input *input);
uint64_t take_bytes(struct input *input, unsigned int count);

#endif
