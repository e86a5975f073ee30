// SPDX-License-Identifier: GPL-2.0
/*
 * memctl free page reporting: what the guest has free goes back to the host
 *
 * The kernel hands over extents of free pages a few seconds after they were freed, up
 * to PAGE_REPORTING_CAPACITY at a time, and such a batch is one request. Off
 * unless asked for, and only one reporter (this or a balloon) can be registered.
 */
#include <linux/bits.h>
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "memctl_device.h"

static bool report_free = IS_ENABLED(CONFIG_MEMCTL_REPORT_FREE);
module_param(report_free, bool, 0444);
MODULE_PARM_DESC(report_free, "Give free memory back to the host (default off, or as CONFIG_MEMCTL_REPORT_FREE says)");

static unsigned int report_order;
module_param(report_order, uint, 0444);
MODULE_PARM_DESC(report_order, "Shortest run reported, as an order of pages (default 0: the kernel's own)");

static struct memctl_device *to_memctl_device(struct device *misc_dev)
{
	struct miscdevice *misc = dev_get_drvdata(misc_dev);

	return container_of(misc, struct memctl_device, misc);
}

/* What the host refused of a batch: by number, and an errno of those. */
struct memctl_refusals {
	u64 extents;
	int error;
};

/* Writes to the canary what it does not hold, nor the host's file behind it. */
static void memctl_set_canary(struct memctl_reporting *reporting)
{
	WRITE_ONCE(*reporting->canary, ++reporting->token);
}

/* Memory that was freed reads as zero, or as the file that the host has behind it. */
static bool memctl_canary_freed(const struct memctl_reporting *reporting)
{
	return READ_ONCE(*reporting->canary) != reporting->token;
}

/*
 * Whether @func_code frees memory on this host: write, discard, read back. On
 * shared memory MEMCTL_DONTNEED succeeds and frees nothing; on private memory
 * MEMCTL_REMOVE fails with EINVAL (EACCES where a file is behind it).
 */
static bool memctl_frees(struct memctl_reporting *reporting, u64 func_code)
{
	struct memctl_range range = {
		.addr = virt_to_phys(reporting->canary),
		.length = reporting->canary_length,
	};
	struct memctl_buf answer;
	unsigned int done;

	memctl_set_canary(reporting);
	return !memctl_ranges(func_code, &range, 1, 0, &done, &answer) && done &&
	       memctl_canary_freed(reporting);
}

static u64 memctl_find_method(struct memctl_reporting *reporting)
{
	if (memctl_frees(reporting, MEMCTL_REMOVE))
		return MEMCTL_REMOVE;
	return memctl_frees(reporting, MEMCTL_DONTNEED) ? MEMCTL_DONTNEED : 0;
}

/*
 * Discards extents [@first, @end). One that the host refuses, say because it is
 * locked there, is noted and passed over; but private memory ends MEMCTL_REMOVE.
 * Returns the number of the extent where it ended.
 */
static unsigned int memctl_discard(struct memctl_reporting *reporting, u64 func_code,
				   unsigned int first, unsigned int end,
				   struct memctl_refusals *refused)
{
	struct memctl_buf answer;
	unsigned int done;
	int error;

	while (first < end) {
		error = memctl_ranges(func_code, reporting->ranges + first, end - first, 0,
				      &done, &answer);
		first += done;
		if (first == end)
			break;

		if (!error)
			error = answer.ret.ret_errno > MAX_ERRNO ? -EIO :
				-(int)answer.ret.ret_errno;
		refused->error = error;
		if (func_code == MEMCTL_REMOVE && (error == -EINVAL || error == -EACCES))
			break;
		refused->extents |= BIT_ULL(first);
		first++;
	}
	return first;
}

/*
 * Discards extents [@first, @count) as private memory, and the canary with them
 * in the same request. If that is still there the memory is shared, as after a move
 * to another host, and nothing was freed. Returns the function that frees, 0 if
 * that is not known: a huge page of the host can't be freed for a canary alone.
 */
static u64 memctl_discard_private(struct memctl_reporting *reporting, unsigned int first,
				  unsigned int count, struct memctl_refusals *refused)
{
	struct memctl_range *canary = &reporting->ranges[count];
	unsigned int end;

	canary->addr = virt_to_phys(reporting->canary);
	canary->length = reporting->canary_length;
	memctl_set_canary(reporting);
	memctl_discard(reporting, MEMCTL_DONTNEED, first, count + 1, refused);
	if (refused->extents & BIT_ULL(count)) {
		refused->extents &= ~BIT_ULL(count);
		return 0;
	}
	if (memctl_canary_freed(reporting))
		return MEMCTL_DONTNEED;

	refused->extents &= GENMASK_ULL(first, 0) >> 1;
	end = memctl_discard(reporting, MEMCTL_REMOVE, first, count, refused);
	if (end == count)
		return MEMCTL_REMOVE;
	refused->extents |= GENMASK_ULL(count - 1, end);
	return 0;
}

/* Gives the first @count extents to the host. */
static void memctl_discard_batch(struct memctl_reporting *reporting, unsigned int count,
				 struct memctl_refusals *refused)
{
	unsigned int first = 0;
	u64 method = MEMCTL_REMOVE;

	if (reporting->method != MEMCTL_DONTNEED)
		first = memctl_discard(reporting, MEMCTL_REMOVE, 0, count, refused);
	if (first < count)
		method = memctl_discard_private(reporting, first, count, refused);
	WRITE_ONCE(reporting->method, method);
}

/*
 * Called from one work item, in process context. After an error the kernel
 * offers the same extents again, and no others before them: so it gets one only if
 * the host has refused them all.
 */
static int memctl_report(struct page_reporting_dev_info *prdev,
			 struct scatterlist *sgl, unsigned int nents)
{
	struct memctl_reporting *reporting =
		container_of(prdev, struct memctl_reporting, prdev);
	struct memctl_device *mdev =
		container_of(reporting, struct memctl_device, reporting);
	u64 unit = max_t(u64, mdev->info.info.page_size, (u64)PAGE_SIZE << prdev->order);
	struct memctl_refusals refused = { };
	unsigned int i, count = 0;
	struct scatterlist *sg;

	for_each_sg(sgl, sg, nents, i) {
		/* Another reporter may have set a lower order before us. */
		if (sg->length < unit) {
			atomic64_inc(&reporting->counter[MEMCTL_REPORT_SKIPPED]);
			continue;
		}
		reporting->ranges[count].addr = sg_phys(sg);
		reporting->ranges[count].length = sg->length;
		count++;
	}
	if (!count)
		return 0;

	memctl_discard_batch(reporting, count, &refused);

	for (i = 0; i < count; i++) {
		if (refused.extents & BIT_ULL(i)) {
			atomic64_inc(&reporting->counter[MEMCTL_REPORT_ERRORS]);
			continue;
		}
		atomic64_inc(&reporting->counter[MEMCTL_REPORT_RUNS]);
		atomic64_add(reporting->ranges[i].length,
			     &reporting->counter[MEMCTL_REPORT_BYTES]);
	}
	if (hweight64(refused.extents) < nents)
		return 0;

	WRITE_ONCE(reporting->method, 0);
	return refused.error;
}

static int memctl_alloc_canary(struct memctl_device *mdev)
{
	struct memctl_reporting *reporting = &mdev->reporting;

	reporting->canary_length = max_t(u64, mdev->info.info.page_size, PAGE_SIZE);
	reporting->canary = alloc_pages_exact(reporting->canary_length, GFP_KERNEL);
	return reporting->canary ? 0 : -ENOMEM;
}

static void memctl_free_canary(struct memctl_reporting *reporting)
{
	free_pages_exact(reporting->canary, reporting->canary_length);
	reporting->canary = NULL;
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

	ret = memctl_alloc_canary(mdev);
	if (ret)
		return ret;

	WRITE_ONCE(reporting->method, memctl_find_method(reporting));
	reporting->prdev.report = memctl_report;
	reporting->prdev.order = report_order;
	ret = page_reporting_register(&reporting->prdev);
	if (ret) {
		memctl_free_canary(reporting);
		return ret;
	}

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
	memctl_free_canary(reporting);
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
