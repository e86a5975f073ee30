// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <errno.h>
#include <fcntl.h>

int open_device(int flags)
{
	int fd = open("/dev/memctl", O_RDWR | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

int request(int fd, uint64_t func_code, uint64_t addr, uint64_t length,
	    uint64_t arg, struct memctl_buf *buf)
{
	struct memctl_buf own;

	if (!buf)
		buf = &own;
	buf->call.func_code = func_code;
	buf->call.addr = addr;
	buf->call.length = length;
	buf->call.arg = arg;
	if (ioctl(fd, MEMCTL_IOCTL_VMM, buf))
		return -errno;
	return buf->ret.ret_errno;
}

const char *code_name(unsigned int func_code)
{
	static const char *const names[MEMCTL_FUNC_CODES] = {
		"INFO", "DONTNEED", "REMOVE", "FREE", "PAGEOUT", "UNMERGEABLE",
		"DONTDUMP", "MLOCK", "MUNLOCK", "MPROTECT_NONE", "MPROTECT_R",
		"MPROTECT_W", "MPROTECT_RW", "SET_VMA_ANON_NAME",
	};

	return func_code < MEMCTL_FUNC_CODES ? names[func_code] : "unknown";
}
