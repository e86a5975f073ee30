/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of tests, all but the first with a running VMM. Each prints its TAP lines. */
#ifndef CHECKS_H
#define CHECKS_H

#include "vmm_process.h"

/* What the judge of the effects lets pass and what it sees. */
void check_judge(void);

/* The guest's own tests, and the host's look at each function. */
void check_guest(const struct vmm_paths *paths, enum backing backing, unsigned int cpus);
void check_other_dialect(const struct vmm_paths *paths);

/* RAM on both sides of the hole below 4 GiB. */
void check_large_guest(const struct vmm_paths *paths);
void check_host_effects(const struct vmm_paths *paths, enum backing backing, unsigned int cpus);

/* No system call by a vCPU thread other than KVM_RUN and those that the requests asked for. */
void check_system_calls(const struct vmm_paths *paths, unsigned int cpus);

/* Two vCPUs that attack each other: what the kernel has set on guest RAM then, and what the device counts. */
void check_attack(const struct vmm_paths *paths, enum backing backing);

/* A vCPU thread kicked by SIGRTMIN 20,000 times while it makes requests. */
void check_kicks(const struct vmm_paths *paths);

#endif
