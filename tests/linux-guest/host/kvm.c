// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "kvm.h"
#include "number.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define KVM_DEBUGFS "/sys/kernel/debug/kvm"

/* A guest's folder is called TASK-FD, after the thread of the VMM that made it. */
static bool find_folder(pid_t vmm, char *path, size_t size)
{
	struct dirent *entry;
	DIR *guests = opendir(KVM_DEBUGFS);
	bool found = false;
	char task[64];
	int thread, fd;

	while (guests && !found && (entry = readdir(guests))) {
		if (sscanf(entry->d_name, "%d-%d", &thread, &fd) != 2)
			continue;
		snprintf(task, sizeof(task), "/proc/%d/task/%d", vmm, thread);
		found = !access(task, F_OK);
		if (found)
			snprintf(path, size, KVM_DEBUGFS "/%d-%d", thread, fd);
	}
	if (guests)
		closedir(guests);
	return found;
}

int kvm_counts(pid_t vmm, char *out, size_t size)
{
	unsigned long mmio, all, interrupts;
	char folder[64];

	if (!find_folder(vmm, folder, sizeof(folder)) || !read_number(folder, "mmio_exits", &mmio) ||
	    !read_number(folder, "exits", &all) || !read_number(folder, "irq_injections", &interrupts))
		return -1;
	snprintf(out, size, "mmio=%lu all=%lu interrupts=%lu", mmio, all, interrupts);
	return 0;
}
