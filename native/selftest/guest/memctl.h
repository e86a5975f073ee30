/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memctl protocol as this guest speaks it: names and values of docs/protocol.md (protocol, "Registers"; protocol, "Transport
 * commands"; protocol, "Requests"; protocol, "Function codes"; protocol, "Error codes"; protocol, "Lists of ranges").
 */
#ifndef SELFTEST_MEMCTL_H
#define SELFTEST_MEMCTL_H

#include <stdbool.h>
#include <stdint.h>

/* protocol, "PCI identity" */
#define MEMCTL_VENDOR_ID 0x1ae0
#define MEMCTL_DEVICE_ID 0x0087
#define MEMCTL_SUBSYSTEM 0x011f1ae0u
#define MEMCTL_CLASS_REVISION 0x08800001u

/* Offsets in BAR 0: protocol, "Registers" */
#define MEMCTL_BUF_PHYS_ADDR 0x0
#define MEMCTL_COMMAND 0x8
#define MEMCTL_REGISTER_BLOCK_SIZE 0x10

/* protocol, "Transport commands" */
#define MEMCTL_TRANSPORT_RESET 0x060FE6D2u
#define MEMCTL_TRANSPORT_REGISTER 0x0E359539u
#define MEMCTL_TRANSPORT_READY 0x0CA8D227u
#define MEMCTL_TRANSPORT_DISCONNECT 0x030F5DA0u
#define MEMCTL_TRANSPORT_ACK 0x03CF5196u
#define MEMCTL_TRANSPORT_ERROR 0x01FBA249u
#define MEMCTL_CHANNEL_BIT 0x80000000u

/* protocol, "Function codes" */
enum memctl_func_code {
	MEMCTL_INFO,
	MEMCTL_DONTNEED,
	MEMCTL_REMOVE,
	MEMCTL_FREE,
	MEMCTL_PAGEOUT,
	MEMCTL_UNMERGEABLE,
	MEMCTL_DONTDUMP,
	MEMCTL_MLOCK,
	MEMCTL_MUNLOCK,
	MEMCTL_MPROTECT_NONE,
	MEMCTL_MPROTECT_R,
	MEMCTL_MPROTECT_W,
	MEMCTL_MPROTECT_RW,
	MEMCTL_SET_VMA_ANON_NAME,
	MEMCTL_FUNC_CODES,
};

/* One more function, and other numbers: request() translates the codes above (protocol, "Dialect pvmemcontrol"). */
#define PVMEMCONTROL_MERGEABLE 13
#define PVMEMCONTROL_FUNC_CODES 15

/* Linux errnos that answers carry */
#define ERRNO_PERM 1
#define ERRNO_INVAL 22
#define ERRNO_OPNOTSUPP 95

#define MEMCTL_BUFFER_SIZE 32

/* An answer: protocol, "Requests" */
struct memctl_vmm_ret {
	uint32_t ret_errno;
	uint32_t ret_code;
	uint64_t ret_value;
	uint64_t arg0;
	uint64_t arg1;
};

/* A connected request buffer. It is used by one vCPU at a time. */
struct channel {
	uint64_t buffer; /* guest-physical */
	uint32_t command;
};

/* Guest-physical address of BAR 0. */
extern uint64_t memctl_bar;

/* The function's name without prefix, for output. */
const char *func_name(uint64_t func_code);

/* Stores a transport command and returns what `command` reads then. */
uint32_t transport(uint32_t command);

/* Stores a buffer address in two halves, as the driver does, and REGISTER. Returns whether the answer is ACK. */
bool register_buffer(uint64_t buffer, struct channel *channel);

/* One static buffer for each vCPU: RESET, REGISTER of count of them, READY. channels[i] is vCPU i's. */
bool connect_all(struct channel *channels, uint64_t count);

/* Fills the buffer, sends the channel's command and returns what the buffer holds then. func_code is dialect memctl's. */
struct memctl_vmm_ret request(const struct channel *channel, uint64_t func_code, uint64_t addr, uint64_t length,
			      uint64_t arg);

/* The same with a code as it goes over the wire. */
struct memctl_vmm_ret raw_request(const struct channel *channel, uint64_t func_code, uint64_t addr, uint64_t length,
				  uint64_t arg);

/* Whether the answer is one to INFO as the protocol has it. */
bool is_info(const struct memctl_vmm_ret *answer);

/* Whether errno and ret_code are 0 and nothing else is in the answer. */
bool is_success(const struct memctl_vmm_ret *answer);

/*
 * Whether the answer to func_code is this errno, found by the device itself: ret_code is then not 0, or, in dialect
 * pvmemcontrol, the low half of the code that was sent.
 */
bool is_refusal(const struct memctl_vmm_ret *answer, uint32_t expected_errno, uint64_t func_code);

#endif
