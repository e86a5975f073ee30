/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader tells: RAM and the command line. Valid from boot_info_init() on, never changes. */
#ifndef SELFTEST_BOOT_INFO_H
#define SELFTEST_BOOT_INFO_H

#include <stdbool.h>
#include <stdint.h>

enum mode {
	MODE_TAP,   /* every test, in TAP */
	MODE_STEPS, /* one request after the other, waiting for a byte before and after each: the host looks meanwhile */
	MODE_LOAD,  /* `requests` requests on every vCPU */
	MODE_HOLD,  /* requests on every vCPU until a byte comes */
	MODE_ATTACK, /* vCPUs against each other, waiting for a byte when the host is to look */
	MODE_ACCESS_FAULT, /* touches memory that it made inaccessible */
};

struct options {
	enum mode mode;
	const char *mode_name;
	uint64_t cpus;	   /* vCPUs that exist, cpus=N */
	bool shared;	   /* guest RAM is shared memory of the host, ram=shared */
	uint64_t unit;	   /* bytes of a host page behind guest RAM, unit=N; 2 MiB on huge pages */
	uint64_t channels; /* the device's channel limit, channels=N */
	uint64_t requests; /* requests=N, for each vCPU */
	uint64_t range;	   /* where the load discards, range=GPA in decimal: RAM that comes and goes; 0: RAM of its own */
	uint64_t name_errno; /* what naming memory must answer, as the host's kernel does, name_errno=N */
	bool pvmemcontrol; /* the device speaks that dialect, dialect=pvmemcontrol */
};

struct memory_range {
	uint64_t start;
	uint64_t end;
};

extern struct options options;

/* The RAM entry that holds this image. */
extern struct memory_range ram;

/* Everything that the memory map calls RAM, for addresses that are none: end of the highest entry below 4 GiB, and of all. */
extern uint64_t ram_end_below_4g;
extern uint64_t ram_end;

/* Copies what is needed from hvm_start_info, whose memory may be used for something else afterwards. */
bool boot_info_init(uint64_t start_info);

/*
 * Takes bytes of untouched RAM for a test, aligned to alignment (a power of two); it is never given back.
 * Ends the run where there is none left.
 */
uint64_t take_memory(uint64_t bytes, uint64_t alignment);

#endif
