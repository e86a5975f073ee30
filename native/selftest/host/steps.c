// SPDX-License-Identifier: Apache-2.0
#include "steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define LINE_SIZE 512

struct ranges {
	uint64_t all;
	uint64_t all_length;
	uint64_t range;
	uint64_t length;
};

static struct look look(const struct snapshot *snapshot, const struct ranges *at, uint64_t whole, uint64_t whole_length)
{
	uint64_t behind = at->range + at->length;

	return (struct look){
		.range = snapshot_view(snapshot, at->range, at->length),
		.left = snapshot_view(snapshot, at->all, at->range - at->all),
		.right = snapshot_view(snapshot, behind, at->all + at->all_length - behind),
		.whole = snapshot_view(snapshot, whole, whole_length),
	};
}

static struct look look_at_guest(const struct place *place, const struct ranges *guest)
{
	struct ranges host = *guest;
	struct snapshot snapshot;
	struct look seen;

	host.all += place->offset;
	host.range += place->offset;
	snapshot_take(&snapshot, place->pid);
	seen = look(&snapshot, &host, place->ram + place->offset, place->ram_end - place->ram);
	snapshot_free(&snapshot);
	return seen;
}

static struct look look_at_reference(const struct reference *reference)
{
	const struct ranges at = { (uint64_t)reference->all, reference->all_length, (uint64_t)reference->range,
				   reference->length };
	struct snapshot snapshot;
	struct look seen;

	snapshot_take(&snapshot, getpid());
	seen = look(&snapshot, &at, at.all, at.all_length);
	snapshot_free(&snapshot);
	return seen;
}

bool find_guest(struct vmm *vmm, struct place *place)
{
	char line[LINE_SIZE];
	unsigned long long at, cookie, ram, ram_end;
	uint64_t page;

	if (!vmm_line_after(vmm, "ready ", line, sizeof(line), NULL))
		return false;
	if (!line_number(line, "at", 16, &at) || !line_number(line, "cookie", 16, &cookie) ||
	    !line_number(line, "ram", 16, &ram) || !line_number(line, "ram_end", 16, &ram_end))
		return false;
	page = find_cookie(vmm->pid, cookie);
	if (!page) {
		tap_note("the guest's memory is nowhere in the VMM");
		return false;
	}
	*place = (struct place){ vmm->pid, page - at, ram, ram_end };
	return true;
}

static bool parse_before(const char *line, struct step *step, struct ranges *at)
{
	unsigned long long func, arg, gpa, length, all, all_length, addr, addr_length;

	if (sscanf(line,
		   "before %47s func=%llu arg=%llu memory=%15s gpa=%llx length=%llx all=%llx all_length=%llx addr=%llx "
		   "addr_length=%llx",
		   step->label, &func, &arg, step->memory, &gpa, &length, &all, &all_length, &addr, &addr_length) != 10)
		return false;
	step->func_code = func;
	step->arg = arg;
	step->length = length;
	step->whole_range = addr == gpa && addr_length == length;
	*at = (struct ranges){ all, all_length, gpa, length };
	return true;
}

static bool parse_after(const char *line, struct step *step)
{
	unsigned long long answer_errno, answer_code;

	if (sscanf(line, "after %*s errno=%llu code=%llu", &answer_errno, &answer_code) != 2)
		return false;
	step->answer_errno = answer_errno;
	step->answer_code = answer_code;
	return true;
}

static bool call_reference(struct reference *reference, struct step *step, const struct ranges *at)
{
	if (strcmp(step->memory, "same") &&
	    !reference_new(reference, step->backing, at->all_length, at->range - at->all, at->length,
			   !strcmp(step->memory, "filled"))) {
		tap_note("no memory to compare with: %s", strerror(errno));
		return false;
	}
	if (is_refused_by_device(step))
		return true;
	step->reference_before = look_at_reference(reference);
	step->reference_errno = reference_call(reference, (enum func_code)step->func_code, step->arg);
	step->reference_after = look_at_reference(reference);
	return true;
}

static bool run_step(struct vmm *vmm, const struct place *place, struct reference *reference, const char *first_line,
		     const struct step_watcher *watcher, struct step *step)
{
	char line[LINE_SIZE];
	struct ranges at;

	if (!parse_before(first_line, step, &at))
		return false;
	if (!call_reference(reference, step, &at))
		return false;
	step->before = look_at_guest(place, &at);
	if (watcher->about_to)
		watcher->about_to(step);
	vmm_go(vmm);
	if (!vmm_line(vmm, line, sizeof(line)) || !parse_after(line, step))
		return false;
	step->after = look_at_guest(place, &at);
	vmm_go(vmm);
	return vmm_line(vmm, line, sizeof(line)) &&
	       sscanf(line, "inside %*s range=%15s neighbours=%15s", step->inside_range, step->inside_neighbours) == 2;
}

static bool run_all(struct vmm *vmm, enum backing backing, const struct step_watcher *watcher, unsigned int *steps)
{
	struct reference reference = { 0 };
	struct place place;
	char line[LINE_SIZE];
	bool right = find_guest(vmm, &place);

	if (right)
		vmm_go(vmm);
	while (right && vmm_line(vmm, line, sizeof(line))) {
		struct step step = { .backing = backing };

		if (!strcmp(line, "steps done")) {
			reference_free(&reference);
			vmm_go(vmm);
			return true;
		}
		right = run_step(vmm, &place, &reference, line, watcher, &step);
		if (right) {
			judge(&step);
			watcher->seen(&step);
			++*steps;
		}
	}
	tap_note("the guest did not come to its end, last line: %s", right ? "none" : line);
	reference_free(&reference);
	return false;
}

bool run_steps(const struct vmm_paths *paths, enum backing backing, unsigned int cpus, const struct step_watcher *watcher,
	       unsigned int *steps)
{
	const struct vmm_run run = {
		.paths = paths, .backing = backing, .cpus = cpus, .mode = "steps", .api_socket = watcher->api_socket,
	};
	struct vmm vmm;
	char line[LINE_SIZE];
	bool right;

	*steps = 0;
	vmm_start(&vmm, &run);
	right = run_all(&vmm, backing, watcher, steps) && vmm_line_after(&vmm, "1..", line, sizeof(line), NULL);
	if (!right)
		vmm_abandon(&vmm);
	return vmm_finish(&vmm) && right;
}
