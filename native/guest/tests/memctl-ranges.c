// SPDX-License-Identifier: GPL-2.0
/*
 * Many guest-physical ranges in one call (MEMCTL_IOCTL_RANGES): outcome, order and
 * limits, on a device of protocol 1.1 and, one request for each, of 1.0. Built for
 * 32 bits too.
 */
#include "memory.h"

#define MANY		(2 * MEMCTL_LIST_RANGES + 3)
#define PAST_ALL_RAM	(1ULL << 51)

static int device;
static uint64_t unit;
static char *memory;

/* Where host page 2 * i of our memory is; the last is for a list. */
static uint64_t phys[MANY + 1];

static struct memctl_range ranges[MANY];

/* Every other host page of our memory: no two of them can be joined. */
static void every_other_page(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		ranges[i] = (struct memctl_range){ phys[i], unit };
}

/* Pages 2 * i of the first @count are discarded, and those between are not. */
static bool discarded(unsigned int count, bool frees)
{
	for (unsigned int i = 0; i < MANY; i++) {
		size_t at = 2 * i * unit;

		if (frees && i < count ? !all_zero(memory, at, at + unit) :
					 !pattern_intact(memory, at, at + unit, 1))
			return false;
		if (!pattern_intact(memory, at + unit, at + 2 * unit, 1))
			return false;
	}
	return true;
}

static void test_counts(uint64_t discard)
{
	static const unsigned int counts[] = {
		0, 1, 2, MEMCTL_LIST_RANGES - 1, MEMCTL_LIST_RANGES, MEMCTL_LIST_RANGES + 1, MANY,
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct memctl_result result;
		int ret;

		pattern_fill(memory, 2 * MANY * unit, 1);
		every_other_page(counts[i]);
		ret = memctl_request_ranges(device, discard, ranges, counts[i], 0, &result);
		tap_check(!ret && result.done == counts[i] && !result.ret_errno && !result.ret_code,
		   "%u ranges: %llu carried out", counts[i], (unsigned long long)result.done);
		tap_check(discarded(counts[i], true), "%u ranges: those and no others", counts[i]);
	}
}

/* Range number @bad can't be carried out: those before it are, those behind not. */
static void test_middle(uint64_t discard, unsigned int bad, struct memctl_range range)
{
	struct memctl_result result;
	int ret;

	pattern_fill(memory, 2 * MANY * unit, 1);
	every_other_page(MANY);
	ranges[bad] = range;
	ret = memctl_request_ranges(device, discard, ranges, MANY, 0, &result);
	tap_check(ret == -EINVAL && result.done == bad && result.ret_errno == EINVAL && result.ret_code,
	   "range %u of %u is bad: %llu carried out, errno %u, code %u", bad, MANY,
	   (unsigned long long)result.done, result.ret_errno, result.ret_code);
	tap_check(discarded(bad, true), "range %u is bad: those before it are discarded, no others", bad);
}

static void test_whole(void)
{
	struct memctl_result result;
	int ret;

	every_other_page(MANY);
	ret = memctl_request_ranges(device, MEMCTL_SET_VMA_ANON_NAME, ranges, 4, 7, &result);
	tap_check((!ret && result.done == 4) || ret == -EINVAL || ret == -EBADF,
	   "four ranges are named: errno %d", -ret);
	memctl_request_ranges(device, MEMCTL_SET_VMA_ANON_NAME, ranges, 4, 0, NULL);
	ret = memctl_request_ranges(device, 0x12345, ranges, 4, 0, &result);
	tap_check(ret == -EOPNOTSUPP && !result.done, "an unknown function is EOPNOTSUPP: errno %d", -ret);
	/* The device must not take it for a device without lists. */
	pattern_fill(memory, 2 * MANY * unit, 1);
	tap_check(!memctl_request_ranges(device, MEMCTL_MPROTECT_RW, ranges, MANY, 0, &result) &&
	   result.done == MANY && discarded(MANY, false), "lists work after that");
}

static int call_errno(struct memctl_ranges call)
{
	return ioctl(device, MEMCTL_IOCTL_RANGES, &call) ? errno : 0;
}

static void test_refusals(void)
{
	const struct memctl_ranges good = {
		.size = sizeof(good), .func_code = MEMCTL_MPROTECT_RW,
		.ranges = (uintptr_t)ranges, .count = 2,
	};
	struct memctl_ranges call;
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memctl_range *last;

	every_other_page(2);
	tap_check(call_errno(good) == 0, "a good call");
	call = good, call.size = sizeof(call) - 8;
	tap_check(call_errno(call) == EINVAL, "a smaller size is EINVAL");
	call = good, call.size = sizeof(call) + 8;
	tap_check(call_errno(call) == EINVAL, "a larger size is EINVAL");
	call = good, call.reserved = 1;
	tap_check(call_errno(call) == EINVAL, "a reserved field that is not 0 is EINVAL");
	call = good, call.func_code = MEMCTL_INFO;
	tap_check(call_errno(call) == EINVAL, "INFO is EINVAL");
	call = good, call.func_code |= MEMCTL_LIST;
	tap_check(call_errno(call) == EINVAL, "a function with MEMCTL_LIST is EINVAL");
	call = good, call.ranges = 0;
	tap_check(call_errno(call) == EFAULT, "no ranges are EFAULT");
	call = good, call.count = ~0ULL;
	tap_check(call_errno(call) == EFAULT, "a count past all memory is EFAULT");

	/* One range is there, the next one would be on a page that is not. */
	if (edge == MAP_FAILED || munmap(edge + 4096, 4096))
		tap_bail_out("mmap: %s", strerror(errno));
	last = (struct memctl_range *)(edge + 4096) - 1;
	*last = ranges[0];
	call = good, call.ranges = (uintptr_t)last, call.count = 1;
	tap_check(call_errno(call) == 0, "ranges at the end of a mapping");
	call.count = 2;
	tap_check(call_errno(call) == EFAULT, "ranges past it are EFAULT");
	tap_check(ioctl(device, MEMCTL_IOCTL_RANGES, NULL) && errno == EFAULT, "a null pointer is EFAULT");
}

/* The list as the device knows it, at a place of our own. */
static void test_raw_list(uint64_t discard, bool lists)
{
	struct memctl_range *list = (struct memctl_range *)(memory + 2 * MANY * unit);
	uint64_t list_phys = phys[MANY];
	struct memctl_buf answer;
	int ret;

	pattern_fill(memory, 2 * MANY * unit, 1);
	every_other_page(3);
	memcpy(list, ranges, 3 * sizeof(*list));
	ret = memctl_call(device, MEMCTL_LIST | discard, list_phys, 3 * sizeof(*list), 0, &answer);
	if (!lists) {
		tap_check(!ret && answer.ret.ret_errno == EOPNOTSUPP && discarded(0, true),
		   "a device of protocol 1.0 refuses a list and touches nothing");
		return;
	}
	tap_check(!ret && !answer.ret.ret_errno && answer.ret.ret_value == 3 && discarded(3, true),
	   "a list of our own");
	ret = memctl_call(device, MEMCTL_LIST | discard, list_phys + 8, 16, 0, &answer);
	tap_check(!ret && answer.ret.ret_errno == EINVAL, "an unaligned list is EINVAL");
	ret = memctl_call(device, MEMCTL_LIST | discard, list_phys, 24, 0, &answer);
	tap_check(!ret && answer.ret.ret_errno == EINVAL, "a length of one and a half is EINVAL");
	ret = memctl_call(device, MEMCTL_LIST | discard, list_phys, 4096 + 16, 0, &answer);
	tap_check(!ret && answer.ret.ret_errno == EINVAL, "257 ranges are EINVAL");
	ret = memctl_call(device, MEMCTL_LIST | discard, PAST_ALL_RAM, 16, 0, &answer);
	tap_check(!ret && answer.ret.ret_errno == EINVAL, "a list outside RAM is EINVAL");
	ret = memctl_call(device, MEMCTL_LIST | discard, list_phys, 0, 0, &answer);
	tap_check(!ret && !answer.ret.ret_errno && !answer.ret.ret_value, "an empty list does nothing");
}

int main(void)
{
	size_t bytes = 4 * HUGE_PAGE;
	struct memctl_vmm_info info;
	uint64_t discard;

	device = open_device(&unit);
	if (memctl_info(device, &info))
		tap_bail_out("INFO");
	if (2 * (MANY + 1) * unit > bytes)
		tap_bail_out("the host's pages are too large for this test");
	memory = map_memory(bytes);
	for (unsigned int i = 0; i <= MANY; i++) {
		phys[i] = physical_address(memory + 2 * i * unit, unit);
		if (!phys[i])
			tap_bail_out("no memory of a host page's size");
	}
	discard = memctl_discard_function(device);
	if (!discard) {
		tap_skip("lists", "this host frees no single page");
		return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
	}

	test_counts(discard);
	test_middle(discard, 0, (struct memctl_range){ phys[0] + 1, unit });
	test_middle(discard, 1, (struct memctl_range){ phys[0], unit - 8 });
	test_middle(discard, MEMCTL_LIST_RANGES / 2, (struct memctl_range){ PAST_ALL_RAM, unit });
	test_middle(discard, MEMCTL_LIST_RANGES - 1, (struct memctl_range){ phys[0], -unit });
	test_middle(discard, MEMCTL_LIST_RANGES, (struct memctl_range){ PAST_ALL_RAM, unit });
	test_middle(discard, MANY - 1, (struct memctl_range){ phys[0] + 1, unit });
	test_whole();
	test_refusals();
	test_raw_list(discard, info.minor_version >= 1);
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
