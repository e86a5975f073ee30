// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"
#include "counters.h"
#include "steps.h"
#include "tap.h"

#define LINE_SIZE 512
#define CPUS 2
#define ANSWER_SIZE 16384

/* Guest RAM as the kernel has it in the VMM. */
struct ram {
	uint64_t mappings;
	uint64_t locked; /* bytes */
	uint64_t inaccessible;
};

static struct ram look(const struct place *place)
{
	/* From address 0 on: a buffer that is discarded while it is filled names that. */
	uint64_t start = place->offset, end = start + ((uint64_t)GUEST_RAM_MIB << 20);
	struct snapshot snapshot;
	struct ram ram = { 0 };

	snapshot_take(&snapshot, place->pid);
	for (size_t i = 0; i < snapshot.count; i++) {
		const struct mapping *mapping = &snapshot.mappings[i];
		uint64_t length = mapping->end - mapping->start;

		if (mapping->end <= start || mapping->start >= end)
			continue;
		ram.mappings++;
		ram.locked += mapping->locked ? length : 0;
		ram.inaccessible += strcmp(mapping->protection, "---") ? 0 : length;
	}
	snapshot_free(&snapshot);
	return ram;
}

static void note(const char *when, const struct ram *ram, const char *answer)
{
	tap_note("%s: %llu mappings, %llu bytes locked, %llu inaccessible; counted: %llu splits, %llu, %llu", when,
		 (unsigned long long)ram->mappings, (unsigned long long)ram->locked, (unsigned long long)ram->inaccessible,
		 (unsigned long long)counter(answer, "splits"), (unsigned long long)counter(answer, "locked_bytes"),
		 (unsigned long long)counter(answer, "inaccessible_bytes"));
}

/* What the kernel has set is what the device counts. */
static bool agree(const struct ram *ram, const struct ram *first, const char *answer)
{
	return ram->locked == counter(answer, "locked_bytes") && ram->inaccessible == counter(answer, "inaccessible_bytes") &&
	       ram->mappings <= first->mappings + counter(answer, "splits");
}

static bool guest_failed;

static void see(const char *line)
{
	if (strncmp(line, "not ok ", 7))
		return;
	guest_failed = true;
	tap_note("guest: %s", line);
}

static bool look_on(struct vmm *vmm, const char *socket_path, const char *name)
{
	char line[LINE_SIZE], answer[ANSWER_SIZE];
	struct place place;
	struct ram first, ram;

	if (!find_guest(vmm, &place))
		return false;
	first = look(&place);
	vmm_go(vmm);
	if (!vmm_line_after(vmm, "attack set", line, sizeof(line), see) || !counters_read(socket_path, answer, sizeof(answer)))
		return false;
	ram = look(&place);
	note("set", &ram, answer);
	tap_check(agree(&ram, &first, answer) && ram.locked && ram.inaccessible,
		  "%s: what is locked, inaccessible and split is what the device counts", name);
	tap_check(!counter(answer, "unanswered_requests") && !counter(answer, "ignored_accesses") &&
		  !counter(answer, "refused_commands"), "%s: every request was answered", name);
	vmm_go(vmm);
	if (!vmm_line_after(vmm, "attack over", line, sizeof(line), see) || !counters_read(socket_path, answer, sizeof(answer)))
		return false;
	ram = look(&place);
	note("over", &ram, answer);
	tap_check(agree(&ram, &first, answer) && !ram.locked && !ram.inaccessible && ram.mappings == first.mappings &&
		  !counter(answer, "splits"), "%s: nothing of it is left when the guest has disconnected", name);
	vmm_go(vmm);
	return vmm_line_after(vmm, "1..", line, sizeof(line), see);
}

void check_attack(const struct vmm_paths *paths, enum backing backing)
{
	char directory[] = "/tmp/memctl-attack-XXXXXX", socket_path[64], name[64];
	struct vmm_run run = { .paths = paths, .backing = backing, .cpus = CPUS, .mode = "attack", .api_socket = socket_path };
	struct vmm vmm;
	bool right;

	snprintf(name, sizeof(name), "attack, %s, %d vCPUs", backing_names[backing], CPUS);
	if (!tap_check(mkdtemp(directory), "%s: a folder for the VMM's socket", name))
		return;
	snprintf(socket_path, sizeof(socket_path), "%s/api", directory);
	vmm_start(&vmm, &run);
	guest_failed = false;
	right = look_on(&vmm, socket_path, name) && !guest_failed;
	if (!right)
		vmm_abandon(&vmm);
	right = vmm_finish(&vmm) && right;
	tap_check(right, "%s: the guest comes to its end and the VMM ends well", name);
	unlink(socket_path);
	rmdir(directory);
}
