/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TOP_H
#define TOP_H

#include <stddef.h>
#include <stdint.h>

/* The program, the API socket of the VM that it looks at, and where to keep what it shows (FILE.json, FILE.seen). */
struct top {
	const char *program, *api_socket, *file;
};

/*
 * What memctl-top shows of a range of guest-physical memory: "512*G; memctl-7", the letters of its map, run-length coded,
 * and all names that it lists, "-" for none. letters and names are what the guest expects: for the browser's look later.
 * Returns -1 if it shows nothing.
 */
int top_shows(const struct top *top, uint64_t gpa, uint64_t length, const char *letters, const char *names, char *out,
	      size_t size);

#endif
