/* SPDX-License-Identifier: Apache-2.0 */
/* A VMM that runs the bare-metal guest, with the guest's serial port on two pipes. */
#ifndef VMM_PROCESS_H
#define VMM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What is behind guest RAM: anonymous memory in 4 KiB pages, the same in transparent huge pages (what VMMs have by default, and
 * of which requests free parts), a memfd, a memfd on huge pages.
 */
enum backing { BACKING_PRIVATE, BACKING_TRANSPARENT, BACKING_SHARED, BACKING_HUGEPAGES, BACKINGS };

bool is_shared(enum backing backing);

extern const char *const backing_names[BACKINGS];

#define GUEST_RAM_MIB 256
#define HUGE_PAGE_MIB 2

struct vmm_paths {
	char vmm[512];
	char plugin[512];
	char image[512];
};

struct vmm_run {
	const struct vmm_paths *paths;
	enum backing backing;
	unsigned int cpus;
	unsigned int ram_mib;	 /* 0: GUEST_RAM_MIB */
	const char *mode;	 /* the guest's mode=, with further words */
	const char *device_options; /* for the device, ",KEY=VALUE"; null: none */
	const char *api_socket; /* where the VMM is to listen; null: nowhere */
	int trace; /* strace -f of the VMM goes to this memfd; 0: no trace */
};

struct vmm {
	pid_t pid; /* of strace, where there is one */
	int input;
	int output;
	size_t filled;
	size_t taken;
	char buffer[4096];
	int log; /* a memfd that holds the VMM's standard error */
};

/* Fills the paths from MEMCTL_OUT, "out" where it is not set. Returns false with a message if one is missing. */
bool vmm_find(struct vmm_paths *paths);

/* Starts the VMM. Ends the process where the system has no more pipes or processes. */
void vmm_start(struct vmm *vmm, const struct vmm_run *run);

/* The next line of the guest without its end; false at the end of output or after LINE_TIMEOUT_SECONDS. */
#define LINE_TIMEOUT_SECONDS 120
bool vmm_line(struct vmm *vmm, char *line, size_t size);

/* As vmm_line(), until a line that starts with word. Lines between are handed to seen, which may be null. */
bool vmm_line_after(struct vmm *vmm, const char *word, char *line, size_t size, void (*seen)(const char *line));

/* Lets a waiting guest go on: one byte on its serial input. */
void vmm_go(struct vmm *vmm);

/* Kills the VMM; vmm_finish() is still to be called. */
void vmm_abandon(struct vmm *vmm);

/*
 * Waits for the end, killing the VMM after LINE_TIMEOUT_SECONDS. Returns whether it ended with status 0; if not, the end of
 * its standard error is shown as notes.
 */
bool vmm_finish(struct vmm *vmm);

/* The hexadecimal or decimal number behind " key=" in line; false if there is none. */
bool line_number(const char *line, const char *key, int base, unsigned long long *number);

#endif
