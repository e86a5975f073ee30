// SPDX-License-Identifier: Apache-2.0
/* A guest that touches memory that it made inaccessible: it ends there, or goes on where the operator wants that. */
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "tap.h"

void access_fault(void)
{
	uint64_t page = take_memory(options.unit, options.unit);
	struct memctl_vmm_ret answer;
	struct channel channel;

	if (!tap_check(connect_all(&channel, 1), "connect one channel"))
		return;
	fill(page, options.unit);
	answer = request(&channel, MEMCTL_MPROTECT_NONE, page, options.unit, 0);
	if (!tap_check(is_success(&answer), "a page becomes inaccessible"))
		return;
	print("inaccessible gpa=%x\n", page);
	tap_check(is_filled(page, options.unit), "the VMM opened the page, which is as it was");
}
