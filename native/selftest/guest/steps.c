// SPDX-License-Identifier: Apache-2.0
/*
 * One request after the other for a host that looks at this memory from outside. The lines, each a word and key=value pairs:
 *
 *   ready at=GPA cookie=N ram=GPA ram_end=GPA
 *                                  32 bytes at this address hold the cookie four times: where guest RAM is in the VMM
 *   before LABEL func=N arg=N memory=filled|untouched|same gpa=GPA length=N all=GPA all_length=N addr=GPA addr_length=N
 *   after LABEL errno=N code=N
 *   inside LABEL range=kept|zeros|changed|inaccessible neighbours=kept|changed
 *   steps done
 *
 * After ready, before, after and done the guest waits for a byte. Addresses and lengths are hexadecimal, [all, all + all_length)
 * is the range and its neighbours, [addr, addr + addr_length) is what the request names (the range, but where it is a bad one),
 * and inside is what the guest reads after the host has looked.
 */
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "tap.h"

enum memory {
	FILLED,	   /* a new range, written */
	UNTOUCHED, /* a new range that nobody ever wrote to */
	SAME,	   /* the range of the step before */
};

struct step {
	const char *label;
	uint64_t code;
	uint64_t arg;
	enum memory memory;
	bool inaccessible; /* reading the range afterwards would stop the guest */
	uint64_t addr_offset;
	uint64_t length; /* 0: the whole range */
};

#define NAME_ARG 7
#define BULK_BYTES (64ull << 20)

static const struct step steps[] = {
	{ .label = "INFO", .code = MEMCTL_INFO, .memory = FILLED },
	{ .label = "DONTNEED", .code = MEMCTL_DONTNEED, .memory = FILLED },
	{ .label = "REMOVE", .code = MEMCTL_REMOVE, .memory = FILLED },
	{ .label = "FREE", .code = MEMCTL_FREE, .memory = FILLED },
	{ .label = "PAGEOUT", .code = MEMCTL_PAGEOUT, .memory = FILLED },
	{ .label = "UNMERGEABLE", .code = MEMCTL_UNMERGEABLE, .memory = FILLED },
	{ .label = "DONTDUMP", .code = MEMCTL_DONTDUMP, .memory = FILLED },
	{ .label = "MLOCK", .code = MEMCTL_MLOCK, .memory = FILLED },
	{ .label = "MUNLOCK", .code = MEMCTL_MUNLOCK, .memory = SAME },
	{ .label = "MLOCK-absent", .code = MEMCTL_MLOCK, .memory = UNTOUCHED },
	{ .label = "MPROTECT_NONE", .code = MEMCTL_MPROTECT_NONE, .memory = FILLED, .inaccessible = true },
	{ .label = "MPROTECT_R", .code = MEMCTL_MPROTECT_R, .memory = SAME },
	{ .label = "MPROTECT_W", .code = MEMCTL_MPROTECT_W, .memory = SAME, .inaccessible = true },
	{ .label = "MPROTECT_RW", .code = MEMCTL_MPROTECT_RW, .memory = SAME },
	{ .label = "SET_VMA_ANON_NAME", .code = MEMCTL_SET_VMA_ANON_NAME, .arg = NAME_ARG, .memory = FILLED },
	{ .label = "SET_VMA_ANON_NAME-clear", .code = MEMCTL_SET_VMA_ANON_NAME, .memory = SAME },
	{ .label = "DONTNEED-100-bytes", .code = MEMCTL_DONTNEED, .memory = FILLED, .length = 100 },
	{ .label = "REMOVE-unaligned", .code = MEMCTL_REMOVE, .memory = SAME, .addr_offset = 8 },
	{ .label = "unknown-code", .code = MEMCTL_FUNC_CODES, .memory = SAME },
};

struct area {
	uint64_t range;
	uint64_t length;
	uint64_t all;
	uint64_t all_length;
};

static struct area new_area(uint64_t length, uint64_t guard)
{
	uint64_t all = take_memory(length + 2 * guard, options.unit);

	return (struct area){ all + guard, length, all, length + 2 * guard };
}

static struct area step_area(const struct step *step)
{
	static struct area area;
	bool is_small = options.unit == PAGE_SIZE;

	if (step->memory == SAME)
		return area;
	area = is_small ? new_area(8 * options.unit, 4 * options.unit) : new_area(2 * options.unit, options.unit);
	if (step->memory == FILLED)
		fill(area.all, area.all_length);
	return area;
}

static const char *contents(uint64_t start, uint64_t length)
{
	if (is_filled(start, length))
		return "kept";
	return is_zero(start, length) ? "zeros" : "changed";
}

static void look_inside(const struct step *step, const struct area *area)
{
	bool untouched = step->memory == UNTOUCHED;
	uint64_t behind = area->range + area->length;
	uint64_t before_length = area->range - area->all;
	uint64_t behind_length = area->all_length - before_length - area->length;
	bool kept = untouched ? is_zero(area->all, before_length) && is_zero(behind, behind_length) :
				is_filled(area->all, before_length) && is_filled(behind, behind_length);

	print("inside %s range=%s neighbours=%s\n", step->label,
	      step->inaccessible ? "inaccessible" : contents(area->range, area->length), kept ? "kept" : "changed");
}

static void run_step(const struct channel *channel, const struct step *step, const struct area *area)
{
	static const char *const memory_names[] = { "filled", "untouched", "same" };
	uint64_t addr = area->range + step->addr_offset;
	uint64_t addr_length = step->length ? step->length : area->length;
	struct memctl_vmm_ret answer;

	print("before %s func=%u arg=%u memory=%s gpa=%x length=%x all=%x all_length=%x addr=%x addr_length=%x\n", step->label,
	      step->code, step->arg, memory_names[step->memory], area->range, area->length, area->all, area->all_length, addr,
	      addr_length);
	console_wait();
	answer = request(channel, step->code, addr, addr_length, step->arg);
	print("after %s errno=%u code=%u\n", step->label, (uint64_t)answer.ret_errno, (uint64_t)answer.ret_code);
	console_wait();
	look_inside(step, area);
}

static void run_bulk(const struct channel *channel)
{
	const struct step step = {
		.label = options.shared ? "REMOVE-64-MiB" : "DONTNEED-64-MiB",
		.code = options.shared ? MEMCTL_REMOVE : MEMCTL_DONTNEED,
	};
	struct area area = new_area(BULK_BYTES, options.unit);

	fill(area.all, area.all_length);
	run_step(channel, &step, &area);
}

void show_cookie(void)
{
	uint64_t page = take_memory(options.unit, options.unit);
	uint64_t cookie = cycles() * 0x9e3779b97f4a7c15ull;

	for (unsigned int i = 0; i < 4; i++)
		((volatile uint64_t *)page)[i] = cookie;
	print("ready at=%x cookie=%x ram=%x ram_end=%x\n", page, cookie, ram.start, ram.end);
	console_wait();
}

void run_steps(void)
{
	struct channel channel;

	if (!tap_check(connect_all(&channel, 1), "connect one channel"))
		return;
	show_cookie();
	for (unsigned int i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct area area = step_area(&steps[i]);

		run_step(&channel, &steps[i], &area);
	}
	run_bulk(&channel);
	print("steps done\n");
	console_wait();
}
