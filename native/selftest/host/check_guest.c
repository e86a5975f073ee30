// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "steps.h"
#include "tap.h"

#define LINE_SIZE 512

static const char *plural(unsigned int count)
{
	return count == 1 ? "" : "s";
}

/* Passes a line of the guest on under this run's name. Returns whether it was a result. */
static bool pass_on(const char *line, const char *name)
{
	bool passed = !strncmp(line, "ok ", 3);
	const char *description = strstr(line, " - ");

	if (line[0] == '#')
		tap_note("guest: %s", line + 1);
	if ((!passed && strncmp(line, "not ok ", 7)) || !description)
		return false;
	tap_check(passed, "%s: %s", name, description + 3);
	return true;
}

static void run_guest(const struct vmm_run *run, const char *name)
{
	struct vmm vmm;
	char line[LINE_SIZE];
	unsigned long results = 0, plan = 0;

	vmm_start(&vmm, run);
	while (!plan && vmm_line(&vmm, line, sizeof(line))) {
		if (!strncmp(line, "1..", 3))
			plan = strtoul(line + 3, NULL, 10);
		else if (!strncmp(line, "Bail out!", 9))
			tap_note("guest: %s", line);
		else
			results += pass_on(line, name);
	}
	if (!tap_check(plan && plan == results, "%s: all %lu tests ran", name, plan))
		vmm_abandon(&vmm);
	tap_check(vmm_finish(&vmm), "%s: the VMM ends well", name);
}

void check_guest(const struct vmm_paths *paths, enum backing backing, unsigned int cpus)
{
	const struct vmm_run run = { .paths = paths, .backing = backing, .cpus = cpus, .mode = "tap" };
	char name[64];

	snprintf(name, sizeof(name), "guest, %s, %u vCPU%s", backing_names[backing], cpus, plural(cpus));
	run_guest(&run, name);
}

void check_other_dialect(const struct vmm_paths *paths)
{
	const struct vmm_run run = {
		.paths = paths,
		.backing = BACKING_PRIVATE,
		.cpus = 2,
		.mode = "tap dialect=pvmemcontrol channels=64",
		.device_options = ",dialect=pvmemcontrol,channels=64",
	};

	run_guest(&run, "guest, dialect pvmemcontrol, 64 channels");
}

void check_large_guest(const struct vmm_paths *paths)
{
	const struct vmm_run run = {
		.paths = paths,
		.backing = BACKING_PRIVATE,
		.cpus = 1,
		.ram_mib = 4096,
		.mode = "tap channels=64",
		.device_options = ",channels=64",
	};

	run_guest(&run, "guest, 4 GiB");
}

static unsigned int cpus_of_run;
static bool transparent_seen;

static void report(const struct step *step)
{
	transparent_seen = transparent_seen || step->before.whole.transparent;
	if (!tap_check(!step->fault[0], "host, %s, %u vCPU%s: %s answers errno %llu, and only the named range changes",
		       backing_names[step->backing], cpus_of_run, plural(cpus_of_run), step->label,
		       (unsigned long long)step->answer_errno))
		tap_note("%s", step->fault);
}

static bool has_transparent_pages(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char line[64] = "";
	bool has = file && fgets(line, sizeof(line), file) && !strstr(line, "[never]");

	if (file)
		fclose(file);
	return has;
}

static void check_transparent(unsigned int cpus)
{
	char description[96];

	snprintf(description, sizeof(description), "host, %s, %u vCPU%s: guest RAM is in transparent huge pages",
		 backing_names[BACKING_TRANSPARENT], cpus, plural(cpus));
	if (has_transparent_pages())
		tap_check(transparent_seen, "%s", description);
	else
		tap_skip(description, "this system has them switched off");
}

/* The guest has this many steps; fewer would be a guest that stopped early, not a success. */
#define STEPS 20

void check_host_effects(const struct vmm_paths *paths, enum backing backing, unsigned int cpus)
{
	unsigned int steps;
	bool right;

	cpus_of_run = cpus;
	transparent_seen = false;
	right = run_steps(paths, backing, cpus, &(struct step_watcher){ .seen = report }, &steps);
	if (backing == BACKING_TRANSPARENT)
		check_transparent(cpus);
	tap_check(right && steps == STEPS, "host, %s, %u vCPU%s: %u requests seen, the VMM ends well", backing_names[backing],
		  cpus, plural(cpus), steps);
}
