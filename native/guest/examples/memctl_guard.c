// SPDX-License-Identifier: GPL-2.0
/*
 * memctl example: a guard page in the middle of a huge page
 *
 * The guest keeps its huge page; the host takes access from one page of it, as
 * below a stack. Nothing here touches the guard: what a VMM does with such an
 * access is its own affair, most end the guest. Unloading the module lifts the
 * guard and checks that the page still holds what it held.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/memctl.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "pattern.h"

static struct page *huge_page;
static size_t guard_size;

static int guard_request(u64 func_code)
{
	phys_addr_t addr = page_to_phys(huge_page) + SZ_1M;
	struct memctl_buf answer;
	long ret = memctl_vmm_call(func_code, addr, guard_size, 0, &answer);

	if (ret)
		return ret;
	return answer.ret.ret_errno ? -(int)answer.ret.ret_errno : 0;
}

static int __init guard_init(void)
{
	struct memctl_buf answer;
	phys_addr_t guard;
	u64 *memory;
	int ret;

	ret = memctl_vmm_call(MEMCTL_INFO, 0, 0, 0, &answer);
	if (ret)
		return ret;
	guard_size = max_t(size_t, answer.info.page_size, PAGE_SIZE);
	if (guard_size > SZ_1M)
		return -EOPNOTSUPP;

	huge_page = alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(SZ_2M));
	if (!huge_page)
		return -ENOMEM;
	memory = page_address(huge_page);
	guard = page_to_phys(huge_page) + SZ_1M;

	pattern_fill(memory, SZ_2M);
	ret = guard_request(MEMCTL_MPROTECT_NONE);
	if (ret) {
		pr_err("memctl_guard: can't close the page: %pe\n", ERR_PTR(ret));
		__free_pages(huge_page, get_order(SZ_2M));
		return ret;
	}

	if (pattern_intact(memory, 0, SZ_1M) &&
	    pattern_intact(memory, SZ_1M + guard_size, SZ_2M))
		pr_info("memctl_guard: %zu bytes closed at %pa, both sides are intact\n",
			guard_size, &guard);
	else
		pr_err("memctl_guard: memory beside the guard was damaged\n");
	return 0;
}

static void __exit guard_exit(void)
{
	int ret = guard_request(MEMCTL_MPROTECT_RW);

	if (ret) {
		/* Nobody may ever be given a page that can't be touched. */
		pr_err("memctl_guard: can't open the page, keeping it: %pe\n", ERR_PTR(ret));
		return;
	}

	if (pattern_intact(page_address(huge_page), 0, SZ_2M))
		pr_info("memctl_guard: opened, all intact\n");
	else
		pr_err("memctl_guard: the guard's bytes were damaged\n");
	__free_pages(huge_page, get_order(SZ_2M));
}

module_init(guard_init);
module_exit(guard_exit);

MODULE_DESCRIPTION("memctl example: a guard page in a huge page");
MODULE_AUTHOR("The memctl authors");
MODULE_LICENSE("GPL");
