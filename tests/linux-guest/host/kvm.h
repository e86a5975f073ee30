/* SPDX-License-Identifier: GPL-2.0 */
/* What KVM counts of a guest. */
#ifndef KVM_H
#define KVM_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Writes "mmio=N all=N interrupts=N" to out: exits to the VMM for memory-mapped
 * I/O, all exits, and interrupts injected, since the guest was started. Returns 0,
 * or -1 where debugfs does not show them.
 */
int kvm_counts(pid_t vmm, char *out, size_t size);

#endif
