/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The one TAP writer of the C tests, numbered, with a plan at the end: a program that stops half-way shows by its missing plan.
 * One thread at a time. A freestanding program brings print() and print_list() in a console.h; formats are then its own.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

#if __STDC_HOSTED__
#define TAP_FORMAT(at, first) __attribute__((format(printf, at, first)))
#else
#define TAP_FORMAT(at, first)
#endif

/* One result; the format's text is the description. Returns passed. */
bool tap_check(bool passed, const char *format, ...) TAP_FORMAT(2, 3);

/* A test that did not run, and why. */
void tap_skip(const char *description, const char *reason);

/* A line of explanation. */
void tap_note(const char *format, ...) TAP_FORMAT(1, 2);

/* Prints the plan. Returns whether nothing failed and something ran. */
bool tap_finish(void);

#if __STDC_HOSTED__
/* The rest makes no sense: says why and ends the process with status 1. */
void tap_bail_out(const char *format, ...) TAP_FORMAT(1, 2) __attribute__((noreturn));
#endif

#endif
