// SPDX-License-Identifier: Apache-2.0
/* Every host call failing with each errno of its man page, at once and half-way through a request that spans regions. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <errno.h>

struct fault {
	enum host_call call;
	uint64_t code;
	const char *name;
	int numbers[10];
};

/* As madvise(2), mlock2(2), munlock(2), mprotect(2) and PR_SET_VMA(2const) list them. */
static const struct fault faults[] = {
	{ CALL_MADVISE, CODE_DONTNEED, "DONTNEED", { EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EIO, ENOMEM, EPERM } },
	{ CALL_MADVISE, CODE_REMOVE, "REMOVE", { EACCES, EAGAIN, EBADF, EINVAL, EIO, ENOMEM, EPERM } },
	{ CALL_MADVISE, CODE_FREE, "FREE", { EAGAIN, EBADF, EINVAL, ENOMEM } },
	{ CALL_MADVISE, CODE_PAGEOUT, "PAGEOUT", { EAGAIN, EBADF, EINVAL, EIO, ENOMEM } },
	{ CALL_MADVISE, CODE_UNMERGEABLE, "UNMERGEABLE", { EAGAIN, EINVAL, ENOMEM } },
	{ CALL_MADVISE, CODE_DONTDUMP, "DONTDUMP", { EAGAIN, EINVAL, ENOMEM } },
	{ CALL_MLOCK2, CODE_MLOCK, "MLOCK", { EAGAIN, EINVAL, ENOMEM, EPERM } },
	{ CALL_MUNLOCK, CODE_MUNLOCK, "MUNLOCK", { EAGAIN, EINVAL, ENOMEM } },
	{ CALL_MPROTECT, CODE_NONE, "MPROTECT_NONE", { EACCES, EINVAL, ENOMEM } },
	{ CALL_MPROTECT, CODE_R, "MPROTECT_R", { EACCES, EINVAL, ENOMEM } },
	{ CALL_MPROTECT, CODE_RW, "MPROTECT_RW", { EACCES, EINVAL, ENOMEM } },
	{ CALL_PRCTL, CODE_NAME, "SET_VMA_ANON_NAME", { EBADF, EINVAL, ENOMEM } },
};

static void test_one(struct guest *guest, const struct fault *fault, int number)
{
	/* The last two pages of the first region and the first two of the second. */
	uint64_t edge = GUEST_BASE + REGION_BYTES;
	uint64_t splits = plugin_counter(guest->device, "splits");
	uint64_t at_once;
	uint64_t half_way = ANSWER(number, 0);
	bool reached;

	fail_host_call(fault->call, 0, 1, number);
	at_once = guest_ask(guest, fault->code, edge - 2 * PAGE, 4 * PAGE);
	reached = failed_host_calls(fault->call) == 1;
	fail_nothing();
	tap_check(reached && at_once == ANSWER(number, 0) && plugin_counter(guest->device, "splits") == splits &&
		  guest_is_well(guest), "%s_HostAnswers%d_IsTheAnswerAndChangesNothing", fault->name, number);

	/* The kernel's own answer to the first half may be an errno: then there is no second call. */
	if (fault->code == CODE_REMOVE || fault->code == CODE_NAME)
		return;
	fail_host_call(fault->call, 1, 1, number);
	half_way = guest_ask(guest, fault->code, edge - 2 * PAGE, 4 * PAGE);
	reached = failed_host_calls(fault->call) == 1;
	fail_nothing();
	tap_check(reached && half_way == ANSWER(number, 0) && guest_is_well(guest),
		  "%s_HostAnswers%dInTheSecondRegion_IsTheAnswer", fault->name, number);
	if (fault->code == CODE_NONE)
		tap_check(!guest_can_write(guest, edge - PAGE) && guest_can_write(guest, edge) &&
			  plugin_counter(guest->device, "splits") == splits + 2,
			  "%s_HostAnswers%dInTheSecondRegion_FirstRegionKeepsIt", fault->name, number);
	if (plugin.device_reset(guest->device) != MEMCTL_OK || !guest_connect(guest, guest->buffer))
		tap_check(false, "reset after a fault");
}

/* A call that the kernel carried out half-way before it failed: the device rolls the change back. */
static void test_put_back(struct guest *guest)
{
	uint64_t address = GUEST_BASE + 4 * PAGE;
	uint64_t got;

	/* Closed pages can't be locked: the kernel marks the mapping locked, and fails. */
	guest_ask(guest, CODE_NONE, address + PAGE, PAGE);
	got = guest_ask(guest, CODE_MLOCK, address, 2 * PAGE);
	tap_check(got == ANSWER(ENOMEM, 0) && locked_kib() == 0 && plugin_counter(guest->device, "locked_bytes") == 0,
		  "MLOCK_OfAClosedPage_LeavesNothingLocked");
	guest_ask(guest, CODE_RW, address + PAGE, PAGE);
}

static void test_lifting(struct guest *guest)
{
	uint64_t address = GUEST_BASE + 6 * PAGE;
	memctl_status first;
	bool refused;

	guest_ask(guest, CODE_NONE, address, PAGE);
	fail_host_call(CALL_MPROTECT, 0, 1, ENOMEM);
	first = plugin.device_reset(guest->device);
	fail_nothing();
	refused = !guest_connect(guest, address);
	tap_check(first == MEMCTL_HOST_CALL_FAILED && refused, "Reset_HostRefusesToOpenAPage_PageStaysKnownAsClosed");
	tap_check(plugin.device_reset(guest->device) == MEMCTL_OK && guest_can_write(guest, address) &&
		  guest_connect(guest, guest->buffer) && guest_is_well(guest), "Reset_Again_OpensThePage");

	guest_ask(guest, CODE_NONE, address, PAGE);
	fail_host_call(CALL_MPROTECT, 0, 1, ENOMEM);
	first = plugin.unregister_memory(guest->device, GUEST_BASE + REGION_BYTES, REGION_BYTES);
	tap_check(first == MEMCTL_OK, "Unregister_RegionWithNothingSet_CallsNothing");
	first = plugin.unregister_memory(guest->device, GUEST_BASE, REGION_BYTES);
	fail_nothing();
	tap_check(first == MEMCTL_HOST_CALL_FAILED &&
		  plugin.unregister_memory(guest->device, GUEST_BASE, REGION_BYTES) == MEMCTL_NOT_FOUND,
		  "Unregister_HostRefusesToOpenAPage_RegionIsGoneAllTheSame");
}

static void test_restore(void)
{
	struct guest from = guest_start("", 2);
	struct guest to = guest_start("", 2);
	static uint8_t state[4096];
	size_t length = 0;
	uint64_t address = GUEST_BASE + 3 * PAGE;
	memctl_status status;

	guest_ask(&from, CODE_MLOCK, address, PAGE);
	guest_ask(&from, CODE_NONE, address + 4 * PAGE, PAGE);
	plugin.device_save(from.device, state, sizeof(state), &length);
	guest_command(&to, COMMAND_DISCONNECT);
	fail_host_call(CALL_MPROTECT, 0, 1, ENOMEM);
	status = plugin.device_restore(to.device, state, length);
	fail_nothing();
	tap_check(status == MEMCTL_HOST_CALL_FAILED && locked_kib() == 4 && plugin_counter(to.device, "splits") == 0,
		  "Restore_HostRefusesHalfWay_NothingIsSet");
	tap_check(plugin.device_restore(to.device, state, length) == MEMCTL_OK && locked_kib() == 8 &&
		  !guest_can_write(&to, address + 4 * PAGE) && guest_is_well(&to), "Restore_AfterAFailure_Succeeds");
	guest_end(&from);
	guest_end(&to);
}

void test_host_calls(void)
{
	struct guest guest = guest_start("", 2);

	for (unsigned int index = 0; index < sizeof(faults) / sizeof(faults[0]); index++) {
		for (const int *number = faults[index].numbers; *number; number++)
			test_one(&guest, &faults[index], *number);
	}
	test_put_back(&guest);
	test_lifting(&guest);
	guest_end(&guest);
	test_restore();
}
