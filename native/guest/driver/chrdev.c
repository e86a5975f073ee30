// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/memctl: one request for each ioctl, or one for many ranges
 *
 * An open file has no state but what it holds of a process's memory (held.c).
 * Who may open it, and what each ioctl answers: protocol, "Linux interface".
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memctl_device.h"

static DEFINE_IDA(memctl_file_ids);

static struct memctl_file *memctl_file_alloc(void)
{
	struct memctl_file *mfile = kzalloc(sizeof(*mfile), GFP_KERNEL_ACCOUNT);
	int id;

	if (!mfile)
		return ERR_PTR(-ENOMEM);
	id = ida_alloc_min(&memctl_file_ids, MEMCTL_NOBODY + 1, GFP_KERNEL);
	if (id < 0) {
		kfree(mfile);
		return ERR_PTR(id);
	}
	mfile->id = id;
	return mfile;
}

static int memctl_open(struct inode *inode, struct file *file)
{
	struct memctl_file *mfile;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (file->f_flags & O_EXCL)
		return -EINVAL;

	/* Discarding memory rewrites it, the kernel's own too, like /dev/mem. */
	ret = security_locked_down(LOCKDOWN_DEV_MEM);
	if (ret)
		return ret;

	mfile = memctl_file_alloc();
	if (IS_ERR(mfile))
		return PTR_ERR(mfile);
	file->private_data = mfile;
	return 0;
}

static int memctl_close(struct inode *inode, struct file *file)
{
	struct memctl_file *mfile = file->private_data;

	memctl_held_release(mfile);
	ida_free(&memctl_file_ids, mfile->id);
	kfree(mfile);
	return 0;
}

static int memctl_vmm_ioctl(struct memctl_buf __user *user)
{
	struct memctl_buf buf;
	int ret;

	if (copy_from_user(&buf, user, sizeof(buf)))
		return -EFAULT;

	ret = memctl_request(&buf);
	if (ret)
		return ret;

	return copy_to_user(user, &buf, sizeof(buf)) ? -EFAULT : 0;
}

static long memctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case MEMCTL_IOCTL_VMM:
		return memctl_vmm_ioctl(user);
	case MEMCTL_IOCTL_RANGES:
		return memctl_ranges_ioctl(user);
	case MEMCTL_IOCTL_PROCESS_RANGES:
		return memctl_process_ioctl(file->private_data, user);
	default:
		return -EINVAL;
	}
}

static const struct file_operations memctl_fops = {
	.owner = THIS_MODULE,
	.open = memctl_open,
	.release = memctl_close,
	.unlocked_ioctl = memctl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static const struct attribute_group *memctl_chrdev_groups[] = {
	&memctl_reporting_group,
	NULL
};

static void memctl_deregister_chrdev(void *data)
{
	struct memctl_device *mdev = data;

	misc_deregister(&mdev->misc);
}

/**
 * devm_memctl_register_chrdev() - create /dev/memctl and its sysfs attributes
 * @mdev: the device, ready for requests
 *
 * Files may stay open after the device has gone. Return: 0 or a negative errno.
 */
int devm_memctl_register_chrdev(struct memctl_device *mdev)
{
	int ret;

	mdev->misc.minor = MISC_DYNAMIC_MINOR;
	mdev->misc.name = "memctl";
	mdev->misc.fops = &memctl_fops;
	mdev->misc.parent = mdev->dev;
	mdev->misc.groups = memctl_chrdev_groups;

	ret = misc_register(&mdev->misc);
	if (ret)
		return ret;

	return devm_add_action_or_reset(mdev->dev, memctl_deregister_chrdev, mdev);
}
