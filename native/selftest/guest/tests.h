/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of tests, in the order in which they run. Each leaves the device in whatever state; each starts with RESET. */
#ifndef SELFTEST_TESTS_H
#define SELFTEST_TESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "memctl.h"
#include "pci.h"

/* Identity, BAR, registers and widths of access. */
void test_function(pci_function function);
void test_registers(void);

/* Every transport command in every state; REGISTER's addresses; the channel limit. */
void test_transport(void);
void test_register_addresses(void);
void test_channels(void);

/* Requests: what is refused and that nothing is touched then; buffers in odd places. */
void test_requests(void);
void test_buffers(void);

/* All function codes and what of them shows from inside. */
void test_effects(void);

/* All vCPUs at once. */
void test_parallel(void);

/* vCPUs against each other; for a host that looks on, mode=attack. */
void test_attack(void);
void run_attack(void);

/* Prints where guest RAM is, for a host that looks for it, and waits for a byte. */
void show_cookie(void);

/* mode=steps: one request after the other, with the host looking before and after each. */
void run_steps(void);

/* mode=load and mode=hold: requests on every vCPU. Returns whether each was answered rightly. */
bool run_load(bool until_byte);

/* Makes a page inaccessible, prints `inaccessible gpa=GPA`, and touches it: a VMM ends then, or opens the page. */
void access_fault(void);

/* A pattern that differs from word to word and is never 0, in some words of each page; whole pages. */
void fill(uint64_t start, uint64_t length);
bool is_filled(uint64_t start, uint64_t length);
bool is_zero(uint64_t start, uint64_t length);

/* The same in every word, for ranges that are no whole pages. */
void fill_words(uint64_t start, uint64_t length);
bool are_words_filled(uint64_t start, uint64_t length);

#endif
