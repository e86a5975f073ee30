// SPDX-License-Identifier: Apache-2.0
#include "faults.h"

#include "guest_copy.h"
#include "tap.h"

int main(void)
{
	struct guest guest;

	plugin_load();
	interpose((void *)plugin.mmio_write);
	guest_copy_install();
	guest = guest_start("", 1);
	guest_ask(&guest, CODE_NONE, GUEST_BASE + PAGE, PAGE);
	guest_ask(&guest, CODE_DONTNEED, GUEST_BASE + 2 * PAGE, PAGE);
	tap_check(host_calls(CALL_MPROTECT) > 0 && host_calls(CALL_MADVISE) == 1, "the library's host calls come by here");
	guest_end(&guest);
	test_host_calls();
	test_blocked_callbacks();
	test_callbacks();
	test_hostile_guest();
	test_many_devices();
	test_kicks();
	test_kept();
	test_long_list();
	return tap_finish() ? 0 : 1;
}
