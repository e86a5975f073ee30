/* SPDX-License-Identifier: Apache-2.0 */
/* A small guest on one device, host calls that fail on demand, and the tests that use both. */
#ifndef FAULTS_H
#define FAULTS_H

#include "plugin.h"
#include "protocol.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE 4096ull
#define GUEST_BASE 0x100000ull
#define REGION_PAGES 16ull
#define REGION_BYTES (REGION_PAGES * PAGE)
#define MAX_REGIONS 64u

/* Function codes of dialect memctl. */
enum code {
	CODE_INFO, CODE_DONTNEED, CODE_REMOVE, CODE_FREE, CODE_PAGEOUT, CODE_UNMERGEABLE, CODE_DONTDUMP, CODE_MLOCK,
	CODE_MUNLOCK, CODE_NONE, CODE_R, CODE_W, CODE_RW, CODE_NAME
};

/* interpose.c: the library's calls of libc come here first, because it is loaded into this program */
enum host_call { CALL_MADVISE, CALL_MLOCK2, CALL_MUNLOCK, CALL_MPROTECT, CALL_PRCTL, HOST_CALLS };

/* To be called once: the calls that the library makes itself come here too. */
void interpose(void *mmio_write);
/* The library's call of this kind number `skip` from now (0: the next) fails, and as many as `count` after it. */
void fail_host_call(enum host_call call, unsigned int skip, unsigned int count, int number);
void fail_nothing(void);
/* Calls of this kind that were made to fail. */
unsigned int failed_host_calls(enum host_call call);
unsigned int host_calls(enum host_call call);

/* guest.c: adjoining regions of private memory, the buffer at the start of the first */
struct guest {
	memctl_device *device;
	unsigned int regions;
	uint8_t *memory[MAX_REGIONS];
	uint64_t buffer;
};

/* Where the callbacks below look; one guest at a time. */
struct callbacks {
	/* While set, records or copies post blocked and wait for go_on. */
	atomic_bool log_blocks;
	atomic_bool copy_blocks;
	sem_t blocked;
	sem_t go_on;
	atomic_uint logs;
	atomic_bool copies_fail;
	atomic_uint dirty;
};

extern struct callbacks callbacks;

struct guest guest_start(const char *options, unsigned int regions);
void guest_end(struct guest *guest);
/* What guest_end() does besides, where the device is gone already. */
void guest_unmap(struct guest *guest);
bool guest_connect(const struct guest *guest, uint64_t buffer);
memctl_status guest_command(const struct guest *guest, uint32_t command);
/* ret_errno and ret_code of a request's answer; the other bytes are checked to be zero. */
uint64_t guest_ask(const struct guest *guest, uint64_t code, uint64_t addr, uint64_t length);
#define ANSWER(number, code) ((uint64_t)(code) << 32 | (uint32_t)(number))
/* Whether the device is right after a fault: it answers, and the pages given are accessible, unlocked and zero. */
bool guest_is_well(struct guest *guest);
bool guest_can_write(const struct guest *guest, uint64_t address);
/* Bytes of this process that are locked. */
long locked_kib(void);

/* The tests. */
void test_host_calls(void);
void test_callbacks(void);
void test_blocked_callbacks(void);
void test_hostile_guest(void);
void test_many_devices(void);
void test_kicks(void);
void test_kept(void);
void test_long_list(void);

#endif
