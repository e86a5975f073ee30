// SPDX-License-Identifier: Apache-2.0
/* What a guest can do with valid accesses alone, and the limits that answer it. */
#define _GNU_SOURCE
#include "faults.h"

#include "resources.h"
#include "tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MANY_PAGES 65536ull
#define PROTECTIONS 10240u
#define DEFAULT_SPLITS 16384
#define MANY_BASE 0x40000000ull
#define FLOOD 100000u
#define PAGEOUTS 1000u

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void test_register_loop(void)
{
	struct guest guest = guest_start("channels=4", 1);
	struct resources before = resources_now();
	struct resources after;
	uint64_t maximum = 0;

	for (unsigned int round = 0; round < FLOOD; round++) {
		uint64_t channels;

		guest_command(&guest, round % 5 ? COMMAND_REGISTER : COMMAND_RESET);
		channels = round % 1000 == 4 ? plugin_counter(guest.device, "channels") : 0;
		maximum = channels > maximum ? channels : maximum;
	}
	after = resources_now();
	tap_check(maximum <= 4 && resources_same(&before, &after), "Register_InALoop_StaysWithinItsChannels");
	tap_check(guest_connect(&guest, guest.buffer) && guest_is_well(&guest), "Register_InALoop_NextRequestIsRight");
	guest_end(&guest);
}

static void test_many_protections(void)
{
	struct guest guest = guest_start("", 1);
	uint8_t *memory = mmap(NULL, MANY_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long before = resources_mappings();
	unsigned int granted = 0;
	unsigned int refused = 0;
	void *own;

	if (memory == MAP_FAILED || plugin_register(guest.device, MANY_BASE, MANY_PAGES * PAGE, memory) != MEMCTL_OK)
		tap_check(false, "memory to protect");
	for (unsigned int page = 0; page < PROTECTIONS; page++) {
		uint64_t got = guest_ask(&guest, CODE_NONE, MANY_BASE + 2 * page * PAGE, PAGE);

		granted += got == 0;
		refused += got == ANSWER(ENOMEM, ERROR_SPLIT_BUDGET);
	}
	own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	tap_note("%u one-page protections granted, %u refused, %ld mappings", granted, refused, resources_mappings());
	tap_check(granted == DEFAULT_SPLITS / 2 && granted + refused == PROTECTIONS &&
		  resources_mappings() <= before + DEFAULT_SPLITS + 8 && own != MAP_FAILED,
		  "Protect_ManyPages_MappingsStayWithinTheBudget");
	tap_check(guest_ask(&guest, CODE_RW, MANY_BASE, MANY_PAGES * PAGE) == 0 && plugin_counter(guest.device, "splits") == 0 &&
		  resources_mappings() <= before + 8 && guest_is_well(&guest), "Protect_Reverted_FreesTheBudget");
	munmap(own, PAGE);
	guest_end(&guest);
	munmap(memory, MANY_PAGES * PAGE);
}

static void test_log_flood(void)
{
	struct guest guest = guest_start("max_log_lines=10", 1);

	callbacks.logs = 0;
	for (unsigned int round = 0; round < FLOOD; round++)
		guest_command(&guest, round % 2 ? COMMAND_CHANNEL + 9 : COMMAND_ACK);
	/* The records of two minutes, should a minute end meanwhile, and one each about suppressed ones. */
	tap_check(callbacks.logs >= 10 && callbacks.logs <= 22 &&
		  plugin_counter(guest.device, "suppressed_log_records") >= FLOOD - 20, "Log_Flood_IsLimitedAndCounted");
	tap_check(guest_connect(&guest, guest.buffer) && guest_is_well(&guest), "Log_Flood_NextRequestIsRight");
	guest_end(&guest);
}

static void test_own_buffer(void)
{
	struct guest guest = guest_start("", 2);

	tap_check(guest_ask(&guest, CODE_NONE, GUEST_BASE, PAGE) == ANSWER(EBUSY, ERROR_HOLDS_BUFFER) &&
		  guest_ask(&guest, CODE_R, GUEST_BASE, 2 * REGION_BYTES) == ANSWER(EBUSY, ERROR_HOLDS_BUFFER) &&
		  guest_can_write(&guest, GUEST_BASE), "Protect_PageOfAConnectedBuffer_AnswersBusy");
	tap_check(guest_ask(&guest, CODE_NONE, GUEST_BASE + 5 * PAGE, PAGE) == 0 && !guest_connect(&guest, GUEST_BASE + 5 * PAGE) &&
		  !guest_connect(&guest, GUEST_BASE + 5 * PAGE - 16) && guest_connect(&guest, GUEST_BASE),
		  "Register_BufferInAnInaccessiblePage_AnswersError");
	tap_check(guest_ask(&guest, CODE_DONTNEED, GUEST_BASE, PAGE) == 0, "Discard_PageOfAConnectedBuffer_AnswerIsThere");
	tap_check(guest_ask(&guest, CODE_MLOCK, GUEST_BASE, 0) == 0 && guest_is_well(&guest), "OwnBuffer_NextRequestIsRight");
	guest_end(&guest);
}

/* Budgets spent to the last, and a VMM that takes every second region out of one long range. */
static void test_cuts(void)
{
	struct guest guest = guest_start("max_splits=2", 40);
	static uint8_t state[65536];
	size_t length = 0;
	bool unregistered = true;

	tap_check(guest_ask(&guest, CODE_DONTDUMP, GUEST_BASE, 40 * REGION_BYTES) == 0 &&
		  guest_ask(&guest, CODE_MLOCK, GUEST_BASE + PAGE, PAGE) == ANSWER(ENOMEM, ERROR_SPLIT_BUDGET),
		  "Splits_Spent_AnswersNoMemory");
	for (unsigned int region = 1; region < 40; region += 2) {
		unregistered = unregistered && plugin.unregister_memory(guest.device, GUEST_BASE + region * REGION_BYTES,
									 REGION_BYTES) == MEMCTL_OK;
	}
	tap_check(unregistered && plugin_counter(guest.device, "splits") == 40, "Unregister_EverySecondRegionOfARange_Succeeds");
	tap_check(plugin.device_save(guest.device, state, sizeof(state), &length) == MEMCTL_OK &&
		  plugin.keep_readable(guest.device, 1) == MEMCTL_OK && plugin.keep_readable(guest.device, 0) == MEMCTL_OK &&
		  plugin.device_reset(guest.device) == MEMCTL_OK &&
		  plugin.device_restore(guest.device, state, length) == MEMCTL_OK &&
		  plugin_counter(guest.device, "splits") == 40, "Save_OverTheBudgetByCuts_IsRestored");
	guest_end(&guest);
}

static void test_lock_budget(void)
{
	struct guest guest = guest_start("max_locked=8K", 1);

	tap_check(guest_ask(&guest, CODE_MLOCK, GUEST_BASE + PAGE, 3 * PAGE) == ANSWER(ENOMEM, ERROR_LOCK_BUDGET) && !locked_kib() &&
		  guest_ask(&guest, CODE_MLOCK, GUEST_BASE + PAGE, 2 * PAGE) == 0 && locked_kib() == 8 &&
		  guest_ask(&guest, CODE_MUNLOCK, GUEST_BASE + PAGE, 2 * PAGE) == 0 && !locked_kib(),
		  "Lock_OverTheBudget_AnswersNoMemory");
	guest_end(&guest);
}

/* However long it takes: in each second that it goes on, and the one that it began in, the budget is one request. */
static void test_pageout_budget(void)
{
	struct guest guest = guest_start("max_pageout=8K", 1);
	unsigned int calls = host_calls(CALL_MADVISE);
	time_t start = seconds_now();
	unsigned int granted = 0;
	unsigned int refused = 0;

	for (unsigned int round = 0; round < PAGEOUTS; round++) {
		uint64_t got = guest_ask(&guest, CODE_PAGEOUT, GUEST_BASE + PAGE, 2 * PAGE);

		granted += got == 0;
		refused += got == ANSWER(EAGAIN, ERROR_PAGEOUT_BUDGET);
	}
	tap_check(granted >= 1 && granted <= 2 + (unsigned int)(seconds_now() - start) && granted + refused == PAGEOUTS &&
		  host_calls(CALL_MADVISE) - calls == granted, "Pageout_OverTheBudget_AnswersAgainAndCallsNobody");
	guest_end(&guest);
}

static void test_policy(void)
{
	struct guest guest = guest_start("deny=[lock,MPROTECT_NONE]", 1);

	tap_check(guest_ask(&guest, CODE_MLOCK, GUEST_BASE + PAGE, PAGE) == ANSWER(EPERM, ERROR_DENIED) &&
		  guest_ask(&guest, CODE_NONE, GUEST_BASE + PAGE, PAGE) == ANSWER(EPERM, ERROR_DENIED) && !locked_kib() &&
		  guest_can_write(&guest, GUEST_BASE + PAGE) && plugin_counter(guest.device, "refused_DENIED") == 2 &&
		  guest_ask(&guest, CODE_R, GUEST_BASE + PAGE, PAGE) == 0, "Policy_Denied_AnswersNotPermitted");
	guest_end(&guest);
}

static void test_registers(void)
{
	struct guest guest = guest_start("", 1);
	bool zero = true;

	for (uint64_t offset = 12; offset < 64; offset++) {
		for (size_t length = 1; length <= 8; length++) {
			uint8_t data[8];

			memset(data, 0xee, sizeof(data));
			plugin.mmio_read(guest.device, offset, data, length);
			for (size_t index = 0; index < length; index++)
				zero = zero && data[index] == 0;
		}
	}
	tap_check(zero, "Read_PastTheFields_IsZero");
	guest_end(&guest);
}

void test_hostile_guest(void)
{
	test_register_loop();
	test_many_protections();
	test_log_flood();
	test_own_buffer();
	test_cuts();
	test_lock_budget();
	test_pageout_budget();
	test_policy();
	test_registers();
}
