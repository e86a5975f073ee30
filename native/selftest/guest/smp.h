/* SPDX-License-Identifier: Apache-2.0 */
/* Several vCPUs: work is handed to all of them at once; between two pieces of work the others are halted. */
#ifndef SELFTEST_SMP_H
#define SELFTEST_SMP_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 64

/* Puts the start-up code where a start-up IPI can reach it. */
void smp_init(void);

/*
 * Runs work(0) here and work(1) .. work(cpus - 1) on the other vCPUs, all starting together. Returns false
 * if one of them did not come or did not finish in PATIENCE_CYCLES.
 */
bool run_on_all(void (*work)(uint64_t cpu));

#endif
