// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "stress.h"

#include "guest_copy.h"
#include "protocol.h"

#include <errno.h>
#include <string.h>

/* Function codes of dialect memctl. */
enum code { C_INFO, C_DONTNEED, C_REMOVE, C_FREE, C_PAGEOUT, C_UNMERGEABLE, C_DONTDUMP, C_MLOCK, C_MUNLOCK, C_NONE, C_R, C_W, C_RW, C_NAME };

#define UNANSWERED UINT64_MAX
/* A list in a page that begins with a request buffer. */
#define LIST_OFFSET 64u
#define LIST_ENTRY 16u

struct vcpu {
	unsigned int number;
	uint64_t random;
	uint64_t *buffer;
	uint8_t *memory; /* its own */
	uint64_t address;
	unsigned long before;
};

/* errno and code in one number, as they lie in the buffer. */
static uint64_t outcome(uint32_t ret_errno, uint32_t ret_code)
{
	return (uint64_t)ret_code << 32 | ret_errno;
}

static void begin(struct vcpu *vcpu)
{
	vcpu->before = stress.disturbances_ended;
}

/* Whether everything since begin() went undisturbed: then what was seen is exact. */
static bool undisturbed(struct vcpu *vcpu)
{
	return stress.disturbances_begun == vcpu->before;
}

/* One request through the vCPU's own buffer: its outcome, or UNANSWERED. Every byte of the answer is accounted for. */
static uint64_t request(struct vcpu *vcpu, uint64_t code, uint64_t addr, uint64_t length, uint64_t arg)
{
	uint64_t call[4] = { code, addr, length, arg };
	uint32_t command = COMMAND_CHANNEL + vcpu->number;
	uint8_t data[4];
	memctl_status status;

	memcpy(vcpu->buffer, call, sizeof(call));
	memcpy(data, &command, sizeof(data));
	status = plugin.mmio_write(stress.device, REGISTER_COMMAND, data, sizeof(data));
	if (status == MEMCTL_IGNORED_ACCESS) {
		stress.ignored++;
		if (memcmp(vcpu->buffer, call, sizeof(call)) != 0)
			stress_wrong("an ignored command changed the buffer");
		return UNANSWERED;
	}
	stress.answers++;
	if (status != MEMCTL_OK)
		stress_wrong("mmio_write returned %u", status);
	if (code & LIST ? vcpu->buffer[1] > length / LIST_ENTRY || vcpu->buffer[2] || vcpu->buffer[3] :
	    code == C_INFO ? vcpu->buffer[1] != 0 || vcpu->buffer[2] != (1 | 1ull << 32) || vcpu->buffer[3] != PAGE :
			     vcpu->buffer[1] || vcpu->buffer[2] || vcpu->buffer[3])
		stress_wrong("code %llu: bytes past ret_code are %#llx %#llx %#llx", (unsigned long long)code,
			     (unsigned long long)vcpu->buffer[1], (unsigned long long)vcpu->buffer[2],
			     (unsigned long long)vcpu->buffer[3]);
	return vcpu->buffer[0];
}

static void expect(struct vcpu *vcpu, uint64_t got, uint64_t expected, const char *what)
{
	if (got == UNANSWERED || !undisturbed(vcpu))
		return;
	stress.exact++;
	if (got != expected)
		stress_wrong("%s: answered %#llx, not %#llx", what, (unsigned long long)got, (unsigned long long)expected);
}

/* Requests that have one answer whatever happens meanwhile. */
static void invalid_requests(struct vcpu *vcpu)
{
	uint64_t code = C_DONTNEED + stress_random(&vcpu->random) % C_NAME;
	uint64_t got[] = {
		request(vcpu, C_INFO, UINT64_MAX, 1, 2),
		request(vcpu, 14 + (stress_random(&vcpu->random) >> 8), SHARED_REGION, PAGE, 0),
		request(vcpu, code, SHARED_REGION + 8, PAGE, 0),
		request(vcpu, code, SHARED_REGION, 100, 0),
		request(vcpu, code, SHARED_REGION - PAGE, 2 * PAGE, 0),
		request(vcpu, code, SHARED_REGION, UINT64_MAX - PAGE + 1, 0),
		request(vcpu, code, SHARED_REGION, 0, 0),
		request(vcpu, stress_random(&vcpu->random) & 1 ? C_NONE : C_R, BUFFER_REGION, VCPUS * PAGE, 0),
	};
	static const uint32_t expected[][2] = {
		{ 0, 0 }, { EOPNOTSUPP, ERROR_UNKNOWN_FUNCTION }, { EINVAL, ERROR_UNALIGNED }, { EINVAL, ERROR_UNALIGNED },
		{ EINVAL, ERROR_NOT_GUEST_MEMORY }, { EINVAL, ERROR_NOT_GUEST_MEMORY }, { 0, 0 }, { EBUSY, ERROR_HOLDS_BUFFER },
	};

	for (unsigned int index = 0; index < sizeof(got) / sizeof(got[0]); index++) {
		if (got[index] != UNANSWERED && got[index] != outcome(expected[index][0], expected[index][1]))
			stress_wrong("invalid request %u: answered %#llx", index, (unsigned long long)got[index]);
	}
}

static void check_access(struct vcpu *vcpu, uint8_t *page, bool readable, bool writable, uint8_t pattern, const char *what)
{
	uint8_t byte = pattern;
	bool reads = !guest_copy(NULL, &byte, page, 1);
	bool writes = !guest_copy(NULL, page, &pattern, 1);

	if (undisturbed(vcpu) && (reads != readable || writes != writable || byte != pattern))
		stress_wrong("%s: reads %d, writes %d, holds %#x instead of %#x", what, reads, writes, byte, pattern);
}

/* The vCPU's own memory: exact, contents and access included. */
static void own_memory(struct vcpu *vcpu)
{
	unsigned int number = (unsigned int)(stress_random(&vcpu->random) % (PRIVATE_PAGES - 1));
	uint64_t length = (1 + stress_random(&vcpu->random) % 2) * PAGE;
	uint64_t address = vcpu->address + number * PAGE;
	uint8_t *page = vcpu->memory + number * PAGE;
	uint8_t pattern = (uint8_t)stress_random(&vcpu->random) | 1;
	uint64_t got;

	begin(vcpu);
	expect(vcpu, request(vcpu, C_RW, vcpu->address, PRIVATE_PAGES * PAGE, 0), 0, "MPROTECT_RW of all");
	expect(vcpu, request(vcpu, C_MUNLOCK, vcpu->address, PRIVATE_PAGES * PAGE, 0), 0, "MUNLOCK of all");
	if (!undisturbed(vcpu))
		return;
	memset(page, pattern, length);
	switch (stress_random(&vcpu->random) % 8) {
	case 0:
		got = request(vcpu, C_DONTNEED, address, length, 0);
		expect(vcpu, got, 0, "DONTNEED");
		if (got == 0 && (page[0] || page[length - 1]))
			stress_wrong("DONTNEED left bytes");
		break;
	case 1:
		expect(vcpu, request(vcpu, C_REMOVE, address, length, 0), EINVAL, "REMOVE of private memory");
		expect(vcpu, request(vcpu, C_PAGEOUT, address, length, 0), 0, "PAGEOUT");
		check_access(vcpu, page, true, true, pattern, "PAGEOUT");
		break;
	case 2:
		expect(vcpu, request(vcpu, C_MLOCK, address, length, 0), 0, "MLOCK");
		expect(vcpu, request(vcpu, C_DONTNEED, address, length, 0), EINVAL, "DONTNEED of locked memory");
		expect(vcpu, request(vcpu, C_MUNLOCK, address, length, 0), 0, "MUNLOCK");
		check_access(vcpu, page, true, true, pattern, "MLOCK");
		break;
	case 3:
		got = request(vcpu, C_NONE, address, length, 0);
		expect(vcpu, got, 0, "MPROTECT_NONE");
		if (got == 0)
			check_access(vcpu, page, false, false, pattern, "MPROTECT_NONE");
		expect(vcpu, request(vcpu, C_MLOCK, address, length, 0), ENOMEM, "MLOCK of inaccessible memory");
		expect(vcpu, request(vcpu, C_RW, address, length, 0), 0, "MPROTECT_RW");
		check_access(vcpu, page, true, true, pattern, "MPROTECT_RW");
		break;
	case 4:
		got = request(vcpu, C_R, address, length, 0);
		expect(vcpu, got, 0, "MPROTECT_R");
		if (got == 0)
			check_access(vcpu, page, true, false, pattern, "MPROTECT_R");
		expect(vcpu, request(vcpu, C_W, address, length, 0), 0, "MPROTECT_W");
		check_access(vcpu, page, true, true, pattern, "MPROTECT_W");
		break;
	case 5:
		expect(vcpu, request(vcpu, C_DONTDUMP, address, length, 0), 0, "DONTDUMP");
		expect(vcpu, request(vcpu, C_UNMERGEABLE, address, length, 0), 0, "UNMERGEABLE");
		check_access(vcpu, page, true, true, pattern, "DONTDUMP");
		break;
	case 6:
		expect(vcpu, request(vcpu, C_NAME, address, length, pattern), (uint64_t)stress.name_errno, "SET_VMA_ANON_NAME");
		break;
	default:
		got = request(vcpu, C_FREE, address, length, 0);
		expect(vcpu, got, 0, "FREE");
		if (got == 0 && page[0] != pattern && page[0])
			stress_wrong("FREE left other bytes");
	}
}

/* As many entries as a list of its own takes, in the page of the vCPU's buffer. */
static uint64_t request_list(struct vcpu *vcpu, uint64_t code, uint64_t ranges[][2], unsigned int count)
{
	uint64_t *list = vcpu->buffer + LIST_OFFSET / sizeof(*list);

	memcpy(list, ranges, count * LIST_ENTRY);
	return request(vcpu, LIST | code, BUFFER_REGION + vcpu->number * PAGE + LIST_OFFSET, count * LIST_ENTRY, 0);
}

/* Every other page of the vCPU's own in one request: exact. */
static void own_list(struct vcpu *vcpu)
{
	uint64_t ranges[PRIVATE_PAGES / 2][2];
	uint64_t got;

	for (unsigned int entry = 0; entry < PRIVATE_PAGES / 2; entry++) {
		ranges[entry][0] = vcpu->address + 2 * entry * PAGE;
		ranges[entry][1] = PAGE;
	}
	begin(vcpu);
	expect(vcpu, request(vcpu, C_RW, vcpu->address, PRIVATE_PAGES * PAGE, 0), 0, "MPROTECT_RW of all");
	expect(vcpu, request(vcpu, C_MUNLOCK, vcpu->address, PRIVATE_PAGES * PAGE, 0), 0, "MUNLOCK of all");
	if (!undisturbed(vcpu))
		return;
	memset(vcpu->memory, 0x77, PRIVATE_PAGES * PAGE);
	got = request_list(vcpu, C_DONTNEED, ranges, PRIVATE_PAGES / 2);
	expect(vcpu, got, 0, "DONTNEED of a list");
	if (got != 0)
		return;
	/* The device may stop before the end. */
	for (unsigned int page = 0; page < PRIVATE_PAGES; page++) {
		bool gone = page % 2 == 0 && page / 2 < vcpu->buffer[1];

		if (vcpu->memory[page * PAGE] != (gone ? 0 : 0x77))
			stress_wrong("page %u is %#x behind a list of which %llu entries were carried out", page,
				     vcpu->memory[page * PAGE], (unsigned long long)vcpu->buffer[1]);
	}
}

/* Names what others use, or lies where memory comes and goes and others write. */
static void shared_list(struct vcpu *vcpu)
{
	uint64_t code = C_DONTNEED + stress_random(&vcpu->random) % C_NAME;
	unsigned int page = (unsigned int)(stress_random(&vcpu->random) % PASSING_PAGES);
	uint64_t ranges[16][2];

	for (unsigned int entry = 0; entry < 16; entry++) {
		ranges[entry][0] = (entry & 1 ? PASSING_REGION : SHARED_REGION) + (page + entry) % PASSING_PAGES * PAGE;
		ranges[entry][1] = PAGE;
	}
	/* What lies there may be unmapped, or be another list by now: the answer is checked for its form alone. */
	guest_copy(NULL, stress.passing + page * PAGE + LIST_OFFSET, ranges, sizeof(ranges));
	request(vcpu, LIST | code, PASSING_REGION + page * PAGE + LIST_OFFSET, sizeof(ranges), 0);
	request_list(vcpu, code, ranges, 16);
}

/* What others use as well, or what comes and goes: any of these answers. */
static void shared_memory(struct vcpu *vcpu)
{
	static const uint32_t allowed[][2] = {
		{ 0, 0 }, { EINVAL, 0 }, { ENOMEM, 0 }, { EAGAIN, 0 }, { EACCES, 0 }, { EBADF, 0 }, { EFAULT, 0 },
		{ EBUSY, ERROR_DISCARD_INHIBITED }, { ENOMEM, ERROR_LOCK_BUDGET }, { ENOMEM, ERROR_SPLIT_BUDGET },
	};
	bool passes = stress_random(&vcpu->random) & 1;
	uint64_t pages = passes ? PASSING_PAGES : SHARED_PAGES;
	uint64_t page = stress_random(&vcpu->random) % pages;
	uint64_t code = stress_random(&vcpu->random) % (C_NAME + 1);
	uint64_t got = request(vcpu, code, (passes ? PASSING_REGION : SHARED_REGION) + page * PAGE,
			       (1 + stress_random(&vcpu->random) % (pages - page)) * PAGE, page);
	bool found = got == UNANSWERED || (passes && (got == outcome(EINVAL, ERROR_NOT_GUEST_MEMORY) ||
						      got == outcome(EBUSY, ERROR_HOLDS_BUFFER)));

	for (unsigned int index = 0; !found && index < sizeof(allowed) / sizeof(allowed[0]); index++)
		found = got == outcome(allowed[index][0], allowed[index][1]);
	if (!found)
		stress_wrong("code %llu on shared memory: answered %#llx", (unsigned long long)code, (unsigned long long)got);
}

/* Through a buffer that may be taken away at any time: the answer may have no place to go to. */
static void passing_buffer(struct vcpu *vcpu)
{
	uint64_t call[4] = { stress_random(&vcpu->random) % 16, SHARED_REGION, PAGE, 0 };
	uint32_t command = COMMAND_CHANNEL + VCPUS + vcpu->number;
	uint8_t data[4];
	memctl_status status;

	guest_copy(NULL, stress.passing + vcpu->number * PAGE, call, sizeof(call));
	memcpy(data, &command, sizeof(data));
	status = plugin.mmio_write(stress.device, REGISTER_COMMAND, data, sizeof(data));
	if (status != MEMCTL_OK && status != MEMCTL_IGNORED_ACCESS)
		stress_wrong("mmio_write returned %u", status);
}

static void registers(struct vcpu *vcpu)
{
	uint8_t data[8] = { 0 };
	uint32_t answer;
	size_t length = 1 + stress_random(&vcpu->random) % 8;

	memset(data, 0xee, sizeof(data));
	if (plugin.mmio_read(stress.device, 12, data, 4) != MEMCTL_OK || data[0] || data[1] || data[2] || data[3])
		stress_wrong("padding is not zero");
	plugin.mmio_read(stress.device, REGISTER_COMMAND, data, 4);
	memcpy(&answer, data, sizeof(answer));
	if (answer != COMMAND_ACK && answer != COMMAND_ERROR)
		stress_wrong("command reads %#x", answer);
	if (plugin.mmio_write(stress.device, REGISTER_COMMAND, data, length == 4 ? 3 : length) != MEMCTL_IGNORED_ACCESS)
		stress_wrong("a write of %zu bytes to command was not ignored", length);
}

void *stress_vcpu(void *argument)
{
	unsigned int number = (unsigned int)(uintptr_t)argument;
	struct vcpu vcpu = {
		.number = number,
		.random = 0x9e3779b97f4a7c15ull * (number + 1),
		.buffer = (uint64_t *)(void *)(stress.buffers + number * PAGE),
		.memory = stress.private + number * PRIVATE_PAGES * PAGE,
		.address = PRIVATE_REGION + number * PRIVATE_PAGES * PAGE,
	};

	while (!stress.stop) {
		switch (stress_random(&vcpu.random) % 10) {
		case 0:
			invalid_requests(&vcpu);
			break;
		case 1:
			passing_buffer(&vcpu);
			break;
		case 2:
			registers(&vcpu);
			break;
		case 3:
		case 4:
			shared_memory(&vcpu);
			break;
		case 5:
			own_list(&vcpu);
			break;
		case 6:
			shared_list(&vcpu);
			break;
		default:
			own_memory(&vcpu);
		}
	}
	return NULL;
}
