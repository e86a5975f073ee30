// SPDX-License-Identifier: GPL-2.0
/* Registers for free page reporting and does nothing: a balloon's stand-in. */
#include <linux/module.h>
#include <linux/page_reporting.h>

static int other_report(struct page_reporting_dev_info *info,
			struct scatterlist *sgl, unsigned int nents)
{
	return 0;
}

static struct page_reporting_dev_info other_info = { .report = other_report };

static int __init other_init(void)
{
	return page_reporting_register(&other_info);
}
module_init(other_init);

static void __exit other_exit(void)
{
	page_reporting_unregister(&other_info);
}
module_exit(other_exit);

MODULE_DESCRIPTION("A free page reporter that reports to nobody");
MODULE_LICENSE("GPL");
