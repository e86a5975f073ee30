// SPDX-License-Identifier: GPL-2.0
/* memctl: the process that a pidfd names, and whether the caller may act on it */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "kernel_versions.h"
#include "memctl_device.h"

/**
 * memctl_get_mm() - the memory of a process
 * @pidfd: names the process, -1 for the caller
 *
 * Whoever has opened the device can reach all memory; for another process's it
 * takes the right to look into that as well.
 *
 * Return: the memory, to be given to mmput(), or an error pointer: -EBADF, -ESRCH
 * or -EPERM.
 */
struct mm_struct *memctl_get_mm(int pidfd)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct file *file;
	struct pid *pid;

	if (pidfd == -1) {
		mmget(current->mm);
		return current->mm;
	}

	file = fget(pidfd);
	if (!file)
		return ERR_PTR(-EBADF);
	pid = memctl_pidfd_pid(file);
	task = pid ? get_pid_task(pid, PIDTYPE_PID) : NULL;
	fput(file);
	if (!pid)
		return ERR_PTR(-EBADF);
	if (!task)
		return ERR_PTR(-ESRCH);

	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	if (mm != current->mm && !capable(CAP_SYS_PTRACE)) {
		mmput(mm);
		return ERR_PTR(-EPERM);
	}
	return mm;
}
