// SPDX-License-Identifier: GPL-2.0
/*
 * memctl free page reporting: what the guest has free goes back to the host
 *
 * The kernel hands over runs of free pages a few seconds after they were freed;
 * each is one request. Off unless asked for, and only one reporter (this or a
 * balloon) can be registered.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "memctl_device.h"

static bool report_free;
module_param(report_free, bool, 0444);
MODULE_PARM_DESC(report_free, "Give free memory back to the host (default off)");

static unsigned int report_order;
module_param(report_order, uint, 0444);
MODULE_PARM_DESC(report_order, "Shortest run reported, as an order of pages (default 0: the kernel's own)");

static struct memctl_device *to_memctl_device(struct device *misc_dev)
{
	struct miscdevice *misc = dev_get_drvdata(misc_dev);

	return container_of(misc, struct memctl_device, misc);
}

static int memctl_discard_by(u64 func_code, u64 addr, u64 length)
{
	struct memctl_buf buf = {
		.call = {
			.func_code = func_code,
			.addr = addr,
			.length = length,
		},
	};
	int ret = memctl_request(&buf);

	if (ret)
		return ret;
	if (buf.ret.ret_errno > MAX_ERRNO)
		return -EIO;
	return -(int)buf.ret.ret_errno;
}

/*
 * On shared memory MEMCTL_DONTNEED succeeds and frees nothing; on private
 * memory MEMCTL_REMOVE fails with EINVAL (EACCES where a file is behind it). So
 * MEMCTL_REMOVE goes first, and what has freed memory once is remembered.
 */
static int memctl_discard(struct memctl_reporting *reporting, u64 addr, u64 length)
{
	int ret;

	if (reporting->method != MEMCTL_DONTNEED) {
		ret = memctl_discard_by(MEMCTL_REMOVE, addr, length);
		if (!ret)
			reporting->method = MEMCTL_REMOVE;
		if (ret != -EINVAL && ret != -EACCES)
			return ret;
	}

	ret = memctl_discard_by(MEMCTL_DONTNEED, addr, length);
	if (!ret && !reporting->method)
		reporting->method = MEMCTL_DONTNEED;
	return ret;
}

/*
 * Called from one work item, in process context. After an error the kernel
 * offers the same runs again, and no others before them: so one run that the
 * host refuses, say because it is locked there, is counted and passed over. If
 * the host refuses them all, what worked before may no longer be right (the
 * guest may have moved to another host), and the method is found anew.
 */
static int memctl_report(struct page_reporting_dev_info *prdev,
			 struct scatterlist *sgl, unsigned int nents)
{
	struct memctl_reporting *reporting =
		container_of(prdev, struct memctl_reporting, prdev);
	struct memctl_device *mdev =
		container_of(reporting, struct memctl_device, reporting);
	u64 unit = max_t(u64, mdev->info.info.page_size, (u64)PAGE_SIZE << prdev->order);
	unsigned int i, refused = 0;
	struct scatterlist *sg;
	int ret, error = 0;

	for_each_sg(sgl, sg, nents, i) {
		/* Another reporter may have set a lower order before us. */
		if (sg->length < unit) {
			atomic64_inc(&reporting->counter[MEMCTL_REPORT_SKIPPED]);
			continue;
		}

		ret = memctl_discard(reporting, sg_phys(sg), sg->length);
		if (ret) {
			atomic64_inc(&reporting->counter[MEMCTL_REPORT_ERRORS]);
			refused++;
			error = ret;
			continue;
		}
		atomic64_inc(&reporting->counter[MEMCTL_REPORT_RUNS]);
		atomic64_add(sg->length, &reporting->counter[MEMCTL_REPORT_BYTES]);
	}

	if (refused < nents)
		return 0;

	reporting->method = 0;
	return error;
}

static int memctl_reporting_enable(struct memctl_device *mdev)
{
	struct memctl_reporting *reporting = &mdev->reporting;
	int ret;

	lockdep_assert_held(&reporting->lock);

	if (!IS_ENABLED(CONFIG_PAGE_REPORTING))
		return -EOPNOTSUPP;
	if (report_order >= BITS_PER_LONG - PAGE_SHIFT)
		return -EINVAL;
	/* The kernel expects its own pattern in free pages; the host's is another. */
	if (want_init_on_free() || page_poisoning_enabled_static())
		return -EOPNOTSUPP;

	reporting->method = 0;
	reporting->prdev.report = memctl_report;
	reporting->prdev.order = report_order;
	ret = page_reporting_register(&reporting->prdev);
	if (ret)
		return ret;

	reporting->enabled = true;
	return 0;
}

static void memctl_reporting_disable(struct memctl_device *mdev)
{
	struct memctl_reporting *reporting = &mdev->reporting;

	lockdep_assert_held(&reporting->lock);

	if (!IS_ENABLED(CONFIG_PAGE_REPORTING) || !reporting->enabled)
		return;

	page_reporting_unregister(&reporting->prdev);
	reporting->enabled = false;
}

static ssize_t enabled_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct memctl_device *mdev = to_memctl_device(dev);

	return sysfs_emit(buf, "%d\n", READ_ONCE(mdev->reporting.enabled));
}

static ssize_t enabled_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct memctl_device *mdev = to_memctl_device(dev);
	bool enable;
	int ret;

	ret = kstrtobool(buf, &enable);
	if (ret)
		return ret;

	mutex_lock(&mdev->reporting.lock);
	if (!enable)
		memctl_reporting_disable(mdev);
	else if (!mdev->reporting.enabled)
		ret = memctl_reporting_enable(mdev);
	mutex_unlock(&mdev->reporting.lock);

	return ret ?: count;
}
static DEVICE_ATTR_RW(enabled);

static ssize_t method_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	switch (READ_ONCE(to_memctl_device(dev)->reporting.method)) {
	case MEMCTL_REMOVE:
		return sysfs_emit(buf, "remove\n");
	case MEMCTL_DONTNEED:
		return sysfs_emit(buf, "dontneed\n");
	default:
		return sysfs_emit(buf, "unknown\n");
	}
}
static DEVICE_ATTR_RO(method);

static ssize_t counter_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dev_ext_attribute *counter = container_of(attr, struct dev_ext_attribute, attr);
	unsigned long index = (unsigned long)counter->var;
	struct memctl_device *mdev = to_memctl_device(dev);

	return sysfs_emit(buf, "%lld\n",
			  (s64)atomic64_read(&mdev->reporting.counter[index]));
}

static struct dev_ext_attribute runs_attr = {
	__ATTR(runs, 0444, counter_show, NULL), (void *)MEMCTL_REPORT_RUNS
};

static struct dev_ext_attribute bytes_attr = {
	__ATTR(bytes, 0444, counter_show, NULL), (void *)MEMCTL_REPORT_BYTES
};

static struct dev_ext_attribute skipped_attr = {
	__ATTR(skipped, 0444, counter_show, NULL), (void *)MEMCTL_REPORT_SKIPPED
};

static struct dev_ext_attribute errors_attr = {
	__ATTR(errors, 0444, counter_show, NULL), (void *)MEMCTL_REPORT_ERRORS
};

static struct attribute *memctl_reporting_attrs[] = {
	&dev_attr_enabled.attr,
	&dev_attr_method.attr,
	&runs_attr.attr.attr,
	&bytes_attr.attr.attr,
	&skipped_attr.attr.attr,
	&errors_attr.attr.attr,
	NULL
};

const struct attribute_group memctl_reporting_group = {
	.name = "report_free",
	.attrs = memctl_reporting_attrs,
};

static void memctl_reporting_stop(void *data)
{
	struct memctl_device *mdev = data;

	mutex_lock(&mdev->reporting.lock);
	memctl_reporting_disable(mdev);
	mutex_unlock(&mdev->reporting.lock);
	mutex_destroy(&mdev->reporting.lock);
}

/**
 * devm_memctl_init_reporting() - make reporting ready, and start it if asked
 * @mdev: the device, ready for requests
 *
 * Called before the sysfs attributes exist, so that they have gone when it is
 * undone. That reporting can't start is no failure of the device.
 *
 * Return: 0 or a negative errno.
 */
int devm_memctl_init_reporting(struct memctl_device *mdev)
{
	int ret;

	mutex_init(&mdev->reporting.lock);
	ret = devm_add_action_or_reset(mdev->dev, memctl_reporting_stop, mdev);
	if (ret || !report_free)
		return ret;

	mutex_lock(&mdev->reporting.lock);
	ret = memctl_reporting_enable(mdev);
	mutex_unlock(&mdev->reporting.lock);

	if (ret == -EBUSY)
		dev_notice(mdev->dev, "free memory has another reporter, leaving it to that\n");
	else if (ret)
		dev_notice(mdev->dev, "free page reporting not available: %pe\n", ERR_PTR(ret));
	return 0;
}
