// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/memctl: one request for each ioctl
 *
 * An open file has no state: threads that share one share nothing but the
 * device.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/uaccess.h>

#include "memctl_device.h"

static int memctl_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (file->f_flags & O_EXCL)
		return -EINVAL;

	/* Discarding memory rewrites it, the kernel's own too, like /dev/mem. */
	return security_locked_down(LOCKDOWN_DEV_MEM);
}

static long memctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct memctl_buf __user *user = (struct memctl_buf __user *)arg;
	struct memctl_buf buf;
	int ret;

	if (cmd != MEMCTL_IOCTL_VMM)
		return -EINVAL;
	if (copy_from_user(&buf, user, sizeof(buf)))
		return -EFAULT;

	ret = memctl_request(&buf);
	if (ret)
		return ret;

	return copy_to_user(user, &buf, sizeof(buf)) ? -EFAULT : 0;
}

static const struct file_operations memctl_fops = {
	.owner = THIS_MODULE,
	.open = memctl_open,
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
