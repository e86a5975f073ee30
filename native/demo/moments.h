/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots by memctl-top of the demo's first guest, for the picture at its end. */
#ifndef MOMENTS_H
#define MOMENTS_H

#include "steps.h"

/*
 * The API socket that a guest's VMM is to listen at, in the directory MEMCTL_MOMENTS; null for a guest of which no
 * picture is made: there is one of the guest with private RAM, if that directory is given.
 */
const char *moments_begin(enum backing backing);

/* Take a snapshot, if it is of interest there, as NN-before-LABEL.json or NN-after-LABEL.json in that directory. */
void moment_before(const struct step *step);
void moment_after(const struct step *step);

#endif
