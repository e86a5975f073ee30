// SPDX-License-Identifier: Apache-2.0
#include "memctl.h"

#include "boot_info.h"
#include "machine.h"
#include "smp.h"

/* Apart by a cache line, so that vCPUs share none. */
#define BUFFER_STRIDE 64

static uint8_t buffers[CPUS_MAX][BUFFER_STRIDE] __attribute__((aligned(BUFFER_STRIDE)));

uint64_t memctl_bar;

const char *func_name(uint64_t func_code)
{
	static const char *const names[MEMCTL_FUNC_CODES] = {
		"INFO",	    "DONTNEED",	     "REMOVE",	   "FREE",	 "PAGEOUT",	"UNMERGEABLE",	 "DONTDUMP",
		"MLOCK",    "MUNLOCK",	     "MPROTECT_NONE", "MPROTECT_R", "MPROTECT_W", "MPROTECT_RW", "SET_VMA_ANON_NAME",
	};

	return func_code < MEMCTL_FUNC_CODES ? names[func_code] : "unknown";
}

uint32_t transport(uint32_t command)
{
	mmio_write32(memctl_bar + MEMCTL_COMMAND, command);
	return mmio_read32(memctl_bar + MEMCTL_COMMAND);
}

bool register_buffer(uint64_t buffer, struct channel *channel)
{
	mmio_write32(memctl_bar + MEMCTL_BUF_PHYS_ADDR, (uint32_t)buffer);
	mmio_write32(memctl_bar + MEMCTL_BUF_PHYS_ADDR + 4, (uint32_t)(buffer >> 32));
	if (transport(MEMCTL_TRANSPORT_REGISTER) != MEMCTL_TRANSPORT_ACK)
		return false;
	*channel = (struct channel){ buffer, mmio_read32(memctl_bar + MEMCTL_BUF_PHYS_ADDR) };
	return true;
}

bool connect_all(struct channel *channels, uint64_t count)
{
	if (transport(MEMCTL_TRANSPORT_RESET) != MEMCTL_TRANSPORT_ACK)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		if (!register_buffer((uint64_t)buffers[i], &channels[i]))
			return false;
	}
	return transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK;
}

/* Other codes than the known ones stay as they are. */
static uint64_t wire_code(uint64_t func_code)
{
	static const uint8_t pvmemcontrol_codes[MEMCTL_FUNC_CODES] = {
		[MEMCTL_INFO] = 0,	     [MEMCTL_DONTNEED] = 1,    [MEMCTL_REMOVE] = 2,	 [MEMCTL_FREE] = 3,
		[MEMCTL_PAGEOUT] = 4,	     [MEMCTL_DONTDUMP] = 5,    [MEMCTL_SET_VMA_ANON_NAME] = 6,
		[MEMCTL_MLOCK] = 7,	     [MEMCTL_MUNLOCK] = 8,     [MEMCTL_MPROTECT_NONE] = 9,
		[MEMCTL_MPROTECT_R] = 10,    [MEMCTL_MPROTECT_W] = 11, [MEMCTL_MPROTECT_RW] = 12,
		[MEMCTL_UNMERGEABLE] = 14,
	};

	return options.pvmemcontrol && func_code < MEMCTL_FUNC_CODES ? pvmemcontrol_codes[func_code] : func_code;
}

struct memctl_vmm_ret request(const struct channel *channel, uint64_t func_code, uint64_t addr, uint64_t length,
			      uint64_t arg)
{
	return raw_request(channel, wire_code(func_code), addr, length, arg);
}

struct memctl_vmm_ret raw_request(const struct channel *channel, uint64_t func_code, uint64_t addr, uint64_t length,
			      uint64_t arg)
{
	/* The buffer is aligned to 8 bytes only and is the device's between the store and its retirement. */
	volatile uint64_t *buffer = (volatile uint64_t *)channel->buffer;
	uint64_t first;

	buffer[0] = func_code;
	buffer[1] = addr;
	buffer[2] = length;
	buffer[3] = arg;
	mmio_write32(memctl_bar + MEMCTL_COMMAND, channel->command);
	first = buffer[0];
	return (struct memctl_vmm_ret){ (uint32_t)first, (uint32_t)(first >> 32), buffer[1], buffer[2], buffer[3] };
}

bool is_info(const struct memctl_vmm_ret *answer)
{
	if (options.pvmemcontrol)
		return !answer->ret_errno && !answer->ret_code && answer->ret_value == PAGE_SIZE && answer->arg0 == 1 &&
		       !answer->arg1;
	/* ret_value: big_endian; arg0: major 1 in the low, minor 1 in the high half; arg1: page_size. */
	return !answer->ret_errno && !answer->ret_code && !answer->ret_value &&
	       answer->arg0 == (1 | 1ull << 32) && answer->arg1 == PAGE_SIZE;
}

static bool is_empty(const struct memctl_vmm_ret *answer)
{
	return !answer->ret_value && !answer->arg0 && !answer->arg1;
}

bool is_success(const struct memctl_vmm_ret *answer)
{
	return !answer->ret_errno && !answer->ret_code && is_empty(answer);
}

bool is_refusal(const struct memctl_vmm_ret *answer, uint32_t expected_errno, uint64_t func_code)
{
	bool is_code_right = options.pvmemcontrol ? answer->ret_code == (uint32_t)wire_code(func_code) : answer->ret_code != 0;

	return answer->ret_errno == expected_errno && is_code_right && is_empty(answer);
}
