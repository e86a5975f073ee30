/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The request layouts, codes, registers and ioctl of the memctl protocol as a client
 * outside this repository would write them down: from the protocol's text,
 * not from the project's header, so that a slip in that header shows.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>
#include <sys/ioctl.h>

enum {
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

/* In a function code: the request carries a list of ranges. */
#define MEMCTL_LIST (1ULL << 63)

struct memctl_range {
	uint64_t addr, length;
};

/* Registers of BAR 0, and what is written to and read from the second. */
#define MEMCTL_BUF_PHYS_ADDR 0x0
#define MEMCTL_COMMAND 0x8

#define MEMCTL_RESET 0x060FE6D2U
#define MEMCTL_REGISTER 0x0E359539U
#define MEMCTL_READY 0x0CA8D227U
#define MEMCTL_DISCONNECT 0x030F5DA0U
#define MEMCTL_ACK 0x03CF5196U
#define MEMCTL_ERROR 0x01FBA249U
#define MEMCTL_FIRST_CHANNEL 0x80000000U

struct memctl_buf {
	union {
		struct {
			uint64_t func_code, addr, length, arg;
		} call;
		struct {
			uint32_t ret_errno, ret_code;
			uint64_t ret_value, arg0, arg1;
		} ret;
		struct {
			uint32_t ret_errno, ret_code;
			uint64_t big_endian;
			uint32_t major_version, minor_version;
			uint64_t page_size;
		} info;
	};
};

#define MEMCTL_IOCTL_VMM _IOWR(0xDA, 0x00, struct memctl_buf)

struct memctl_process_ranges {
	uint32_t size;
	int32_t pidfd;
	uint64_t func_code, arg, ranges, count, done;
	uint32_t ret_errno, ret_code;
};

#define MEMCTL_IOCTL_PROCESS_RANGES _IOWR(0xDA, 0x02, struct memctl_process_ranges)

#endif
