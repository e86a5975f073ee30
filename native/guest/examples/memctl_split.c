// SPDX-License-Identifier: GPL-2.0
/*
 * memctl example: give half of a huge page back and keep the other
 *
 * A guest that has used up a part of a huge page can return that part to the
 * host without splitting the page for itself. Loading the module allocates a
 * huge page, fills it and frees its second half; the first stays as it was until
 * the module is unloaded, which checks it once more.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/memctl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "pattern.h"

static struct page *huge_page;

static int split_request(u64 func_code, phys_addr_t addr, size_t length)
{
	struct memctl_buf answer;
	long ret = memctl_vmm_call(func_code, addr, length, 0, &answer);

	if (ret)
		return ret;
	return answer.ret.ret_errno ? -(int)answer.ret.ret_errno : 0;
}

/* MEMCTL_REMOVE frees shared host memory, MEMCTL_DONTNEED private. */
static int split_discard(phys_addr_t addr, size_t length)
{
	int ret = split_request(MEMCTL_REMOVE, addr, length);

	if (ret == -EINVAL || ret == -EACCES)
		ret = split_request(MEMCTL_DONTNEED, addr, length);
	return ret;
}

static int __init split_init(void)
{
	phys_addr_t second_half;
	u64 *memory;
	int ret;

	huge_page = alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(SZ_2M));
	if (!huge_page)
		return -ENOMEM;
	memory = page_address(huge_page);
	second_half = page_to_phys(huge_page) + SZ_1M;

	pattern_fill(memory, SZ_2M);
	ret = split_discard(second_half, SZ_1M);
	if (ret) {
		pr_err("memctl_split: can't free: %pe\n", ERR_PTR(ret));
		goto err_free;
	}
	if (!pattern_intact(memory, 0, SZ_1M)) {
		pr_err("memctl_split: the half that stays was damaged\n");
		ret = -EIO;
		goto err_free;
	}

	pr_info("memctl_split: freed 1 MiB at %pa, the 1 MiB before it is intact\n",
		&second_half);
	return 0;

err_free:
	__free_pages(huge_page, get_order(SZ_2M));
	return ret;
}

static void __exit split_exit(void)
{
	u64 *memory = page_address(huge_page);

	if (pattern_intact(memory, 0, SZ_1M))
		pr_info("memctl_split: still intact\n");
	else
		pr_err("memctl_split: the half that stays was damaged\n");
	__free_pages(huge_page, get_order(SZ_2M));
}

module_init(split_init);
module_exit(split_exit);

MODULE_DESCRIPTION("memctl example: free a part of a huge page");
MODULE_AUTHOR("The memctl authors");
MODULE_LICENSE("GPL");
