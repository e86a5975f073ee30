/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's mode=steps seen from the host: every request with what the VMM's memory was before and is after it. */
#ifndef STEPS_H
#define STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "reference.h"
#include "snapshot.h"
#include "vmm_process.h"

#define LABEL_SIZE 48
#define WORD_SIZE 16
#define FAULT_SIZE 256

/* One look at a range, its neighbours, and all RAM that the guest knows of. */
struct look {
	struct view range;
	struct view left;
	struct view right;
	struct view whole;
};

struct step {
	enum backing backing;
	char label[LABEL_SIZE];
	char memory[WORD_SIZE]; /* what the range was before: filled, untouched, same */
	uint64_t func_code;
	uint64_t arg;
	uint64_t length; /* of the range, bytes */
	bool whole_range; /* the request names the whole range; if not, it must be refused */
	uint64_t answer_errno;
	uint64_t answer_code;
	char inside_range[WORD_SIZE]; /* what the guest reads afterwards: kept, zeros, changed, inaccessible */
	char inside_neighbours[WORD_SIZE];
	struct look before;
	struct look after;
	/* The same call in this process. */
	int reference_errno;
	struct look reference_before;
	struct look reference_after;
	char fault[FAULT_SIZE]; /* empty if all is as it must be */
};

/* Whether the step is one that the device answers itself, without the kernel. */
bool is_refused_by_device(const struct step *step);

/* Whether the range has a name of its own, be it an empty one. */
bool is_named(const struct view *view);

/* Sets step->fault. */
void judge(struct step *step);

/* Where the guest's memory is in the VMM: host = guest-physical + offset. */
struct place {
	pid_t pid;
	uint64_t offset;
	uint64_t ram;
	uint64_t ram_end;
};

/* Waits for the guest's line `ready`. The guest goes on when it is let. Returns false with a note if there is none. */
bool find_guest(struct vmm *vmm, struct place *place);

/* Who looks at the steps of a run. */
struct step_watcher {
	const char *api_socket; /* where the VMM is to listen; null: nowhere */
	void (*about_to)(const struct step *step); /* before the request, with what is known then; may be null */
	void (*seen)(const struct step *step); /* after it, judged */
};

/*
 * Runs the guest. The guest waits while the watcher looks. Returns true if the guest came to its end and the VMM ended well;
 * false with notes otherwise. steps gets the number of steps.
 */
bool run_steps(const struct vmm_paths *paths, enum backing backing, unsigned int cpus, const struct step_watcher *watcher,
	       unsigned int *steps);

#endif
