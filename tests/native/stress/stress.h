/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU-like threads ask for everything, valid and not, while other threads take the device through everything that a VMM and
 * a driver do to it. What a vCPU may be answered is known beforehand: exactly, where it alone uses the memory and nothing
 * disturbed it meanwhile; otherwise as a set.
 */
#ifndef STRESS_H
#define STRESS_H

#include "plugin.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE 4096ull
#define VCPUS 4u
#define BUFFER_REGION 0x20000000ull
#define SHARED_REGION 0x10000000ull
#define SHARED_PAGES 64u
#define PRIVATE_REGION 0x30000000ull
#define PRIVATE_PAGES 16u
#define PASSING_REGION 0x40000000ull
#define PASSING_PAGES 16u
/* Channels 0 to VCPUS - 1 have their buffers in the buffer region, the next as many in the region that comes and goes. */
#define CHANNELS (2 * VCPUS)

struct stress {
	memctl_device *device;
	uint8_t *buffers;
	uint8_t *shared;
	uint8_t *private; /* of all vCPUs, one after the other */
	uint8_t *passing;
	int passing_file;
	int name_errno; /* what this kernel answers to a name */
	atomic_bool stop;
	/* What a vCPU may notice: resets, disconnects, switches. In progress while the two differ. */
	atomic_ulong disturbances_begun;
	atomic_ulong disturbances_ended;
	atomic_bool dirty_allowed;
	atomic_ulong answers;
	atomic_ulong exact;
	atomic_ulong ignored;
	atomic_ulong quarantines;
	atomic_ulong restores;
	atomic_ulong collections;
	atomic_ulong kicks;
};

extern struct stress stress;

/* Counts a wrong answer, and prints the first ones. */
void stress_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned long stress_wrongs(void);

/* A thread's own random numbers. */
uint64_t stress_random(uint64_t *state);

/* vcpu.c: argument is the vCPU's number */
void *stress_vcpu(void *argument);

/* disturbers.c */
void *stress_driver(void *unused);
void *stress_memory(void *unused);
void *stress_switches(void *unused);
void *stress_migration(void *unused);
void *stress_collections(void *unused);
/* As a driver does, with this many channels. False if the device refused: the passing region may be absent or inaccessible. */
bool stress_connect(memctl_device *device, unsigned int channels);

#endif
