// SPDX-License-Identifier: GPL-2.0
/*
 * memctl: paravirtual device that controls the host mapping of guest memory
 */
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm.h>

#include "memctl_device.h"

#define PCI_VENDOR_ID_GOOGLE		0x1ae0
#define PCI_DEVICE_ID_GOOGLE_MEMCTL	0x0087

/* Bit 0: a device is bound. There is one /dev/memctl and one memctl_vmm_call. */
static unsigned long memctl_bound;

static void memctl_release(void *data)
{
	clear_bit_unlock(0, &memctl_bound);
}

static void memctl_disconnect_action(void *data)
{
	memctl_held_revert_all();
	memctl_disconnect(data);
}

static int memctl_map_registers(struct memctl_device *mdev, struct pci_dev *pdev)
{
	struct resource *bar = &pdev->resource[0];
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;

	if (resource_size(bar) < MEMCTL_REGS_SIZE)
		return dev_err_probe(mdev->dev, -ENODEV, "BAR 0 is too small: %pR\n", bar);

	mdev->regs = devm_ioremap_resource(mdev->dev, bar);
	return PTR_ERR_OR_ZERO(mdev->regs);
}

static int memctl_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct memctl_device *mdev;
	int ret;

	if (test_and_set_bit_lock(0, &memctl_bound))
		return dev_err_probe(dev, -EBUSY, "only one memctl device is supported\n");
	ret = devm_add_action_or_reset(dev, memctl_release, NULL);
	if (ret)
		return ret;

	mdev = devm_kzalloc(dev, sizeof(*mdev), GFP_KERNEL);
	if (!mdev)
		return -ENOMEM;
	mdev->dev = dev;
	pci_set_drvdata(pdev, mdev);

	ret = memctl_map_registers(mdev, pdev);
	if (ret)
		return ret;

	ret = devm_memctl_alloc_channels(mdev);
	if (ret)
		return ret;

	ret = devm_add_action_or_reset(dev, memctl_disconnect_action, mdev);
	if (ret)
		return ret;
	ret = memctl_connect(mdev);
	if (ret)
		return ret;
	/* What a device left that went without a word. */
	memctl_held_revert_all();

	ret = devm_memctl_init_reporting(mdev);
	if (ret)
		return ret;

	return devm_memctl_register_chrdev(mdev);
}

/*
 * A kernel started by kexec must not meet a device that knows our buffers, nor
 * memory that is protected. DISCONNECT has the device revert all that is in force;
 * what files hold is reverted first, as a device may be older than that.
 */
static void memctl_shutdown(struct pci_dev *pdev)
{
	memctl_held_revert_all();
	memctl_disconnect(pci_get_drvdata(pdev));
}

static int memctl_reconnect(struct device *dev)
{
	struct memctl_device *mdev = dev_get_drvdata(dev);
	int ret = memctl_connect(mdev);

	if (ret)
		memctl_disconnect(mdev);
	return ret;
}

/*
 * Suspend leaves the connection as it is, and with it what is in force. A device
 * that was reset meanwhile has lost both.
 */
static int memctl_resume(struct device *dev)
{
	struct memctl_device *mdev = dev_get_drvdata(dev);

	if (memctl_answers(mdev))
		return 0;
	dev_warn(dev, "device was reset: locks, protections and names are gone\n");
	memctl_held_revert_all();
	memctl_disconnect(mdev);
	return memctl_reconnect(dev);
}

/*
 * The hibernation image is read from every page and written to a disk. What a file
 * holds is locked to keep it off disks, or protected to keep it from being read, so
 * it refuses. The rest ends with the connection. Also called in the kernel that
 * loads an image, and after an image was written.
 */
static int memctl_freeze(struct device *dev)
{
	struct memctl_device *mdev = dev_get_drvdata(dev);

	if (memctl_held_any()) {
		dev_err(dev, "an open file holds locked or protected memory, which can't go to a disk\n");
		return -EBUSY;
	}
	memctl_disconnect(mdev);
	return 0;
}

static const struct dev_pm_ops memctl_pm_ops = {
	.resume = pm_sleep_ptr(memctl_resume),
	.freeze = pm_sleep_ptr(memctl_freeze),
	.thaw = pm_sleep_ptr(memctl_reconnect),
	.poweroff = pm_sleep_ptr(memctl_freeze),
	.restore = pm_sleep_ptr(memctl_reconnect),
};

static const struct pci_device_id memctl_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_GOOGLE, PCI_DEVICE_ID_GOOGLE_MEMCTL) },
	{ }
};
MODULE_DEVICE_TABLE(pci, memctl_pci_ids);

static struct pci_driver memctl_pci_driver = {
	.name = "memctl",
	.id_table = memctl_pci_ids,
	.probe = memctl_probe,
	.shutdown = memctl_shutdown,
	.driver.pm = pm_sleep_ptr(&memctl_pm_ops),
};
module_pci_driver(memctl_pci_driver);

MODULE_DESCRIPTION("Control guest physical memory properties");
MODULE_AUTHOR("The memctl authors");
MODULE_LICENSE("GPL");
