// SPDX-License-Identifier: Apache-2.0
/* A guest that goes where it forbade itself to go. */
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"

void trespass(void)
{
	uint64_t page = take_memory(options.unit, options.unit);
	struct memctl_vmm_ret answer;
	struct channel channel;

	if (!check(connect_all(&channel, 1), "connect one channel"))
		return;
	fill(page, options.unit);
	answer = request(&channel, MEMCTL_MPROTECT_NONE, page, options.unit, 0);
	if (!check(is_success(&answer), "close a page"))
		return;
	print("closed gpa=%x\n", page);
	check(*(volatile uint64_t *)page && false, "the page could be touched");
}
