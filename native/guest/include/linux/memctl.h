/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memctl for kernel users: control the host mapping behind guest memory
 */
#ifndef _LINUX_MEMCTL_H
#define _LINUX_MEMCTL_H

#include <linux/errno.h>
#include <linux/kconfig.h>
#include <uapi/linux/memctl.h>

#if IS_ENABLED(CONFIG_MEMCTL)

long memctl_vmm_call(__u64 func_code, __u64 addr, __u64 length, __u64 arg,
		     struct memctl_buf *buf);
long memctl_vmm_ranges(__u64 func_code, const struct memctl_range *ranges,
		       unsigned int count, __u64 arg, unsigned int *done,
		       struct memctl_buf *answer);

#else

static inline long memctl_vmm_call(__u64 func_code, __u64 addr, __u64 length,
				   __u64 arg, struct memctl_buf *buf)
{
	return -ENODEV;
}

static inline long memctl_vmm_ranges(__u64 func_code, const struct memctl_range *ranges,
				     unsigned int count, __u64 arg, unsigned int *done,
				     struct memctl_buf *answer)
{
	return -ENODEV;
}

#endif /* IS_ENABLED(CONFIG_MEMCTL) */

#endif /* _LINUX_MEMCTL_H */
