// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel can do with protected guest memory on the VMM's behalf while that is kept readable or accessible.
 * process_vm_readv() and process_vm_writev() take pages as every get_user_pages() does: a snapshot's write() from guest
 * memory the first, and VFIO's and vDPA's mapping for DMA, which pins for writing, the second.
 */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static const enum code protections[] = { CODE_NONE, CODE_R, CODE_W };

static uint8_t *protected_page(const struct guest *guest, unsigned int index)
{
	return guest->memory[0] + (4 + 2 * index) * PAGE;
}

static struct guest guest_with_protected_pages(const char *options)
{
	struct guest guest = guest_start(options, 1);

	for (unsigned int index = 0; index < 3; index++)
		guest_ask(&guest, protections[index], GUEST_BASE + (4 + 2 * index) * PAGE, PAGE);
	return guest;
}

/* A bit for each protection whose page the kernel takes. */
static unsigned int taken(const struct guest *guest, bool for_writing)
{
	unsigned int pages = 0;

	for (unsigned int index = 0; index < 3; index++) {
		uint8_t byte = 7;
		struct iovec own = { &byte, 1 };
		struct iovec page = { protected_page(guest, index), 1 };
		ssize_t done = for_writing ? process_vm_writev(getpid(), &own, 1, &page, 1, 0) :
					     process_vm_readv(getpid(), &own, 1, &page, 1, 0);

		pages |= done == 1 ? 1u << index : 0;
	}
	return pages;
}

static void test_reading(void)
{
	struct guest guest = guest_with_protected_pages("");

	tap_check(taken(&guest, false) == 2, "Read_OfProtectedPages_TakesTheReadOnlyOneAlone");
	plugin.keep_readable(guest.device, 1);
	tap_check(taken(&guest, false) == 7, "Read_WhileKeptReadable_TakesEveryProtection");
	tap_check(!(taken(&guest, true) & 3), "Pin_WhileKeptReadable_LeavesInaccessibleAndReadOnlyPages");
	plugin.keep_readable(guest.device, 0);
	tap_check(taken(&guest, false) == 2, "Read_AfterKeptReadable_TakesTheReadOnlyOneAlone");
	guest_end(&guest);
}

static void test_pinning(void)
{
	struct guest guest = guest_with_protected_pages("");

	tap_check(taken(&guest, true) == 4, "Pin_OfProtectedPages_TakesTheWritableOneAlone");
	plugin.keep_accessible(guest.device, 1);
	tap_check(taken(&guest, true) == 7, "Pin_WhileKeptAccessible_TakesEveryProtection");
	/* One that the guest protects meanwhile. */
	guest_ask(&guest, CODE_NONE, GUEST_BASE + 8 * PAGE, PAGE);
	tap_check(taken(&guest, true) == 7, "Pin_OfAPageProtectedWhileKeptAccessible_TakesIt");
	plugin.keep_readable(guest.device, 1);
	plugin.keep_accessible(guest.device, 0);
	tap_check(taken(&guest, false) == 7 && !(taken(&guest, true) & 3), "Keep_OfTwoKinds_EndsEachByItself");
	plugin.keep_readable(guest.device, 0);
	tap_check(taken(&guest, false) == 2 && !taken(&guest, true), "Keep_Ended_IsAsTheGuestHasIt");
	guest_end(&guest);
}

static void test_faults(void)
{
	struct guest guest = guest_with_protected_pages("on_fault=open");

	tap_check(plugin.resolve_fault(guest.device, GUEST_BASE + 4 * PAGE + 8) == MEMCTL_OK && taken(&guest, true) == 5,
		  "Fault_WithItsAddress_OpensThatPage");
	tap_check(plugin.resolve_fault(guest.device, GUEST_BASE + 4 * PAGE + 8) == MEMCTL_NOT_FOUND,
		  "Fault_OnAnAccessiblePage_FindsNothing");
	tap_check(plugin.resolve_fault(guest.device, MEMCTL_ADDRESS_UNKNOWN) == MEMCTL_OK && taken(&guest, true) == 7 &&
			  taken(&guest, false) == 7,
		  "Fault_WithoutAnAddress_OpensAll");
	tap_check(plugin_counter(guest.device, "opened_bytes") == 3 * PAGE, "Fault_Resolved_IsCounted");
	guest_end(&guest);

	guest = guest_with_protected_pages("");
	tap_check(plugin.resolve_fault(guest.device, MEMCTL_ADDRESS_UNKNOWN) == MEMCTL_DENIED && taken(&guest, true) == 4,
		  "Fault_ByDefault_IsDenied");
	guest_end(&guest);
}

static void test_life_cycle(void)
{
	struct guest guest = guest_with_protected_pages("");
	long locked = locked_kib();

	guest_ask(&guest, CODE_MLOCK, GUEST_BASE + 12 * PAGE, PAGE);
	guest_command(&guest, COMMAND_DISCONNECT);
	tap_check(taken(&guest, true) == 7 && taken(&guest, false) == 7 && locked_kib() == locked,
		  "DISCONNECT_OfAGuestWithAttributes_RevertsAll");
	guest_end(&guest);

	guest = guest_with_protected_pages("");
	guest_command(&guest, COMMAND_RESET);
	tap_check(taken(&guest, true) == 4, "RESET_OfAGuestWithAttributes_KeepsThem");
	guest_command(&guest, COMMAND_READY);
	tap_check(taken(&guest, true) == 7, "READY_AfterIt_RevertsAll");
	guest_end(&guest);
}

void test_kept(void)
{
	test_reading();
	test_pinning();
	test_faults();
	test_life_cycle();
}
