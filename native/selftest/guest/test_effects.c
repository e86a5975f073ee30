// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "boot_info.h"
#include "machine.h"
#include "tap.h"

#define UNITS 4

/* A range with a neighbour unit on each side, all filled. */
struct arena {
	uint64_t start; /* of the range, UNITS units long */
	uint64_t length;
	uint64_t all;
	uint64_t all_length;
};

static struct arena new_arena(void)
{
	uint64_t unit = options.unit;
	uint64_t all = take_memory((UNITS + 2) * unit, unit);

	fill(all, (UNITS + 2) * unit);
	return (struct arena){ all + unit, UNITS * unit, all, (UNITS + 2) * unit };
}

static bool neighbours_stay(const struct arena *arena)
{
	return is_filled(arena->all, options.unit) && is_filled(arena->start + arena->length, options.unit);
}

static struct memctl_vmm_ret act(const struct channel *channel, const struct arena *arena, uint64_t code, uint64_t arg)
{
	return request(channel, code, arena->start, arena->length, arg);
}

/* From the host's kernel: an errno without a code of the device. */
static bool is_kernel_errno(const struct memctl_vmm_ret *answer, uint32_t expected_errno)
{
	return answer->ret_errno == expected_errno && !answer->ret_code && !answer->ret_value && !answer->arg0 && !answer->arg1;
}

static void test_dontneed(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, MEMCTL_DONTNEED, 0);

	tap_check(is_success(&answer), "DONTNEED succeeds");
	if (options.shared)
		tap_check(is_filled(arena.start, arena.length), "DONTNEED on shared memory: the bytes come back");
	else
		tap_check(is_zero(arena.start, arena.length), "DONTNEED on private memory reads back as zeros");
	tap_check(neighbours_stay(&arena), "DONTNEED leaves the neighbours");
	fill(arena.start, arena.length);
	tap_check(is_filled(arena.start, arena.length), "DONTNEED leaves memory that can be written");
}

static void test_remove(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, MEMCTL_REMOVE, 0);

	if (options.shared) {
		tap_check(is_success(&answer), "REMOVE succeeds on shared memory");
		tap_check(is_zero(arena.start, arena.length), "REMOVE reads back as zeros");
	} else {
		tap_check(is_kernel_errno(&answer, ERRNO_INVAL), "REMOVE on private memory is the kernel's EINVAL");
		tap_check(is_filled(arena.start, arena.length), "REMOVE on private memory leaves the bytes");
	}
	tap_check(neighbours_stay(&arena), "REMOVE leaves the neighbours");
}

static bool each_word_is_filled_or_zero(const struct arena *arena)
{
	for (uint64_t at = arena->start; at < arena->start + arena->length; at += PAGE_SIZE) {
		if (!is_zero(at, PAGE_SIZE) && !is_filled(at, PAGE_SIZE))
			return false;
	}
	return true;
}

static void test_free(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, MEMCTL_FREE, 0);

	if (options.shared || options.unit != PAGE_SIZE) {
		tap_check(is_kernel_errno(&answer, ERRNO_INVAL), "FREE on shared memory or huge pages is the kernel's EINVAL");
		tap_check(is_filled(arena.start, arena.length), "FREE refused leaves the bytes");
	} else {
		tap_check(is_success(&answer), "FREE succeeds on private memory");
		tap_check(each_word_is_filled_or_zero(&arena), "FREE leaves each page as it was or zero");
		fill(arena.start, arena.length);
		tap_check(is_filled(arena.start, arena.length), "what is written after FREE stays");
	}
	tap_check(neighbours_stay(&arena), "FREE leaves the neighbours");
}

static void check_bytes(const struct arena *arena, uint64_t code)
{
	tap_check(is_filled(arena->all, arena->all_length), "%s keeps all bytes", func_name(code));
	fill(arena->all, arena->all_length);
	tap_check(is_filled(arena->all, arena->all_length), "%s leaves memory that can be written", func_name(code));
}

/* Codes that change nothing that a guest can see; the host's side is for the host to check. */
static void test_invisible(const struct channel *channel, uint64_t code)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, code, 0);

	tap_check(is_success(&answer) || is_kernel_errno(&answer, ERRNO_INVAL),
		  "%s answers success or the kernel's EINVAL (errno %u)", func_name(code), (uint64_t)answer.ret_errno);
	check_bytes(&arena, code);
}

static void test_name(const struct channel *channel, uint64_t arg)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, MEMCTL_SET_VMA_ANON_NAME, arg);
	uint32_t expected = (uint32_t)options.name_errno;

	tap_check(expected ? is_kernel_errno(&answer, expected) : is_success(&answer),
		  "SET_VMA_ANON_NAME of 0x%x answers as the host's kernel does: errno %u (%u)", arg, (uint64_t)expected,
		  (uint64_t)answer.ret_errno);
	check_bytes(&arena, MEMCTL_SET_VMA_ANON_NAME);
}

static void test_lock(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = act(channel, &arena, MEMCTL_MLOCK, 0);

	tap_check(is_success(&answer), "MLOCK succeeds");
	answer = act(channel, &arena, MEMCTL_MLOCK, 0);
	tap_check(is_success(&answer), "MLOCK of what is locked succeeds");
	tap_check(is_filled(arena.all, arena.all_length), "MLOCK keeps all bytes");
	answer = act(channel, &arena, MEMCTL_MUNLOCK, 0);
	tap_check(is_success(&answer), "MUNLOCK succeeds");
	answer = act(channel, &arena, MEMCTL_MUNLOCK, 0);
	tap_check(is_success(&answer), "MUNLOCK of what is not locked succeeds");
	tap_check(is_filled(arena.all, arena.all_length), "MUNLOCK keeps all bytes");
}

static void test_protection(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer;

	answer = act(channel, &arena, MEMCTL_MPROTECT_R, 0);
	tap_check(is_success(&answer) && is_filled(arena.all, arena.all_length), "MPROTECT_R: all bytes can be read");
	answer = act(channel, &arena, MEMCTL_MPROTECT_NONE, 0);
	tap_check(is_success(&answer) && neighbours_stay(&arena), "MPROTECT_NONE leaves the neighbours accessible");
	answer = act(channel, &arena, MEMCTL_MPROTECT_W, 0);
	tap_check(is_success(&answer), "MPROTECT_W succeeds");
	fill(arena.start, arena.length);
	answer = act(channel, &arena, MEMCTL_MPROTECT_RW, 0);
	tap_check(is_success(&answer) && is_filled(arena.all, arena.all_length), "MPROTECT_RW makes it accessible again, bytes kept");
	fill(arena.all, arena.all_length);
	tap_check(is_filled(arena.all, arena.all_length), "MPROTECT_RW leaves memory that can be written");
}

static void test_mergeable(const struct channel *channel)
{
	struct arena arena = new_arena();
	struct memctl_vmm_ret answer = raw_request(channel, PVMEMCONTROL_MERGEABLE, arena.start, arena.length, 0);

	tap_check(is_success(&answer) || is_kernel_errno(&answer, ERRNO_INVAL),
		  "MERGEABLE answers success or the kernel's EINVAL (errno %u)",
		  (uint64_t)answer.ret_errno);
	answer = request(channel, MEMCTL_UNMERGEABLE, arena.start, arena.length, 0);
	tap_check(is_success(&answer) && is_filled(arena.all, arena.all_length), "UNMERGEABLE takes it back, bytes kept");
}

void test_effects(void)
{
	struct channel channel;

	if (!tap_check(connect_all(&channel, 1), "connect one channel"))
		return;
	test_dontneed(&channel);
	test_remove(&channel);
	test_free(&channel);
	test_invisible(&channel, MEMCTL_PAGEOUT);
	test_invisible(&channel, MEMCTL_UNMERGEABLE);
	test_invisible(&channel, MEMCTL_DONTDUMP);
	if (options.pvmemcontrol)
		test_mergeable(&channel);
	test_lock(&channel);
	test_protection(&channel);
	test_name(&channel, 42);
	test_name(&channel, ~0ull);
	test_name(&channel, 0);
}
