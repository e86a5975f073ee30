/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel reports of a process's memory: /proc/PID/smaps and pagemap, read at one moment. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NAME_SIZE 80

struct mapping {
	uint64_t start;
	uint64_t end;
	char protection[4]; /* "rw-" */
	bool locked;	    /* VmFlags lo */
	bool no_dump;	    /* dd */
	bool mergeable;	    /* mg */
	unsigned long file; /* inode of the file behind it; 0: none */
	uint64_t lazy_free_kib;
	uint64_t transparent_kib; /* the AnonHugePages line */
	char name[NAME_SIZE];
};

struct snapshot {
	pid_t pid;
	struct mapping *mappings;
	size_t count;
};

/* A range of the process's memory. Sizes are in KiB. */
struct view {
	uint64_t mapped;
	uint64_t resident; /* present in the page tables */
	uint64_t swapped;  /* anonymous memory that is in swap */
	/* Present in mappings with VmFlags lo. The Locked line is no measure: of a page that KSM shares it counts a share. */
	uint64_t locked;
	uint64_t lock_flag; /* mappings with VmFlags lo, resident or not */
	uint64_t no_dump;
	uint64_t mergeable;
	uint64_t writable;
	uint64_t lazy_free;  /* of all mappings that the range touches */
	uint64_t transparent; /* in transparent huge pages, likewise */
	uint64_t file;	     /* allocated in the file behind the range, all of it; 0 where there is none */
	char protection[6];  /* "rw-" or "mixed" */
	char name[NAME_SIZE]; /* of the first mapping */
};

/* Reads smaps of a live process. Ends this process with a message where that fails. */
void snapshot_take(struct snapshot *snapshot, pid_t pid);
void snapshot_free(struct snapshot *snapshot);

/* Looks at [start, start + length), whole pages; pagemap is read now. */
struct view snapshot_view(const struct snapshot *snapshot, uint64_t start, uint64_t length);

/* Reads from the process's memory, whatever its protection. Returns whether all was read. */
bool process_read(pid_t pid, uint64_t address, void *buffer, size_t length);

/* Finds the page of the process whose first 32 bytes are cookie four times. Only present pages are read. 0: none. */
uint64_t find_cookie(pid_t pid, uint64_t cookie);

#endif
