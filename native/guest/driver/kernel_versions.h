/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels that this driver is built for. */
#ifndef MEMCTL_KERNEL_VERSIONS_H
#define MEMCTL_KERNEL_VERSIONS_H

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/version.h>

/* Pins pages of a process, whose mmap lock is held and stays so. */
static inline long memctl_pin_pages(struct mm_struct *mm, unsigned long start,
				    unsigned long count, unsigned int flags,
				    struct page **pages)
{
#if KERNEL_VERSION(6, 5, 0) > LINUX_VERSION_CODE
	return pin_user_pages_remote(mm, start, count, flags, pages, NULL, NULL);
#else
	return pin_user_pages_remote(mm, start, count, flags, pages, NULL);
#endif
}

/* Takes a reference to one page, under the same lock. */
static inline long memctl_get_page(struct mm_struct *mm, unsigned long address,
				   unsigned int flags, struct page **page)
{
#if KERNEL_VERSION(6, 5, 0) > LINUX_VERSION_CODE
	return get_user_pages_remote(mm, address, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, address, 1, flags, page, NULL);
#endif
}

/*
 * The process that a pidfd names, NULL for any other file; valid while @file is.
 * The kernel has a function for this, and exports it to no module.
 */
static inline struct pid *memctl_pidfd_pid(const struct file *file)
{
#if KERNEL_VERSION(6, 9, 0) > LINUX_VERSION_CODE
	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(file->f_path.dentry->d_name.name, "[pidfd]"))
		return NULL;
	return file->private_data;
#else
	if (file_inode(file)->i_sb->s_magic != PID_FS_MAGIC)
		return NULL;
	return file_inode(file)->i_private;
#endif
}

#endif /* MEMCTL_KERNEL_VERSIONS_H */
