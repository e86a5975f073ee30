/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libmemctl-guest: use /dev/memctl from a C or C++ program
 *
 * Header only. Functions return 0 (or what they say) on success and a negative
 * errno on failure; none keeps state, so all may be called from any thread.
 * Needs CAP_SYS_ADMIN: for the device, and for the frame numbers in pagemap.
 *
 * Memory of a process, by its own addresses. The driver pins the pages, so the
 * request hits what was meant; other processes' memory is refused:
 *
 *	int fd = memctl_open();
 *	struct memctl_range range = { (uintptr_t)memory, length };
 *	int ret = memctl_process(fd, MEMCTL_SELF, MEMCTL_DONTNEED, &range, 1, 0, NULL);
 *
 * A lock, a protection or a name lasts until it is reverted through the same file
 * or that is closed.
 *
 * Guest-physical memory, for those who own it:
 *
 *	int ret = memctl_request(fd, MEMCTL_DONTNEED, phys, length, 0);
 *	int ret = memctl_request_ranges(fd, MEMCTL_DONTNEED, ranges, count, 0, NULL);
 *
 * memctl_walk.h shows where a process has its memory.
 */
#ifndef MEMCTL_GUEST_H
#define MEMCTL_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/memctl.h>

#define MEMCTL_DEVICE_PATH	"/dev/memctl"
#define MEMCTL_FUNCTIONS	14
#define MEMCTL_SELF		(-1)	/* in place of a pidfd: the caller */

/**
 * memctl_open() - open the device
 *
 * Return: a file descriptor to close(), or -EACCES without CAP_SYS_ADMIN,
 * -ENOENT without the driver or a device.
 */
static inline int memctl_open(void)
{
	int fd = open(MEMCTL_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/**
 * memctl_call() - make one request
 * @fd: from memctl_open()
 * @func_code: one of the MEMCTL_* function codes
 * @addr: guest physical address, in units of the host's page
 * @length: bytes, in units of the host's page
 * @arg: number for MEMCTL_SET_VMA_ANON_NAME, otherwise 0
 * @answer: receives the answer, with the outcome
 *
 * Return: 0 if the device answered; -ENODEV if it has gone, -EIO if it did not
 * answer.
 */
static inline int memctl_call(int fd, uint64_t func_code, uint64_t addr, uint64_t length,
			      uint64_t arg, struct memctl_buf *answer)
{
	answer->call.func_code = func_code;
	answer->call.addr = addr;
	answer->call.length = length;
	answer->call.arg = arg;

	return ioctl(fd, MEMCTL_IOCTL_VMM, answer) ? -errno : 0;
}

/**
 * memctl_request() - make one request, with one error for all that can go wrong
 *
 * Return: 0 if the host did as asked, the negative errno of the answer if it
 * did not, else as memctl_call().
 */
static inline int memctl_request(int fd, uint64_t func_code, uint64_t addr, uint64_t length,
				 uint64_t arg)
{
	struct memctl_buf answer;
	int ret = memctl_call(fd, func_code, addr, length, arg, &answer);

	return ret ? ret : -(int)answer.ret.ret_errno;
}

/**
 * struct memctl_result - what became of a call for many ranges
 * @done: ranges carried out in full, in order
 * @ret_errno: the errno of range number @done, 0 if all were carried out
 * @ret_code: why: the device's own code, or MEMCTL_REFUSED_*
 */
struct memctl_result {
	uint64_t done;
	uint32_t ret_errno;
	uint32_t ret_code;
};

/**
 * memctl_request_ranges() - carry out a function on guest-physical ranges
 * @fd: from memctl_open()
 * @func_code: one of the MEMCTL_* function codes but MEMCTL_INFO
 * @ranges: the ranges, in units of the host's page
 * @count: number of @ranges
 * @arg: number for MEMCTL_SET_VMA_ANON_NAME, otherwise 0
 * @result: NULL, or receives the outcome
 *
 * A device of protocol 1.1 takes 256 ranges in one request.
 *
 * Return: 0 if all were carried out, else the negative errno of the first that was
 * not, or of the ioctl.
 */
static inline int memctl_request_ranges(int fd, uint64_t func_code,
					const struct memctl_range *ranges, uint64_t count,
					uint64_t arg, struct memctl_result *result)
{
	struct memctl_ranges call = { .size = sizeof(call), .func_code = func_code, .arg = arg };
	uint64_t done = 0;
	int ret;

	/* A signal ends the ioctl between two requests. */
	do {
		call.ranges = (uintptr_t)(ranges + done);
		call.count = count - done;
		ret = ioctl(fd, MEMCTL_IOCTL_RANGES, &call) ? -errno : 0;
		done += call.done;
	} while (!ret && !call.ret_errno && done < count);

	if (result)
		*result = (struct memctl_result){ done, call.ret_errno, call.ret_code };
	return ret ? ret : -(int)call.ret_errno;
}

/**
 * memctl_process() - carry out a function on memory of a process
 * @fd: from memctl_open()
 * @pidfd: the process, MEMCTL_SELF for the caller
 * @func_code: one of the MEMCTL_* function codes but MEMCTL_INFO,
 *	       MEMCTL_UNMERGEABLE and MEMCTL_DONTDUMP
 * @ranges: addresses in the process, in units of the page
 * @count: number of @ranges
 * @arg: number for MEMCTL_SET_VMA_ANON_NAME, otherwise 0
 * @result: NULL, or receives the outcome
 *
 * See struct memctl_process_ranges for what may be asked of which memory, and what
 * lasts how long.
 *
 * Return: as memctl_request_ranges().
 */
static inline int memctl_process(int fd, int pidfd, uint64_t func_code,
				 const struct memctl_range *ranges, uint64_t count,
				 uint64_t arg, struct memctl_result *result)
{
	struct memctl_process_ranges call = {
		.size = sizeof(call), .pidfd = pidfd, .func_code = func_code, .arg = arg,
	};
	uint64_t done = 0;
	int ret;

	do {
		call.ranges = (uintptr_t)(ranges + done);
		call.count = count - done;
		ret = ioctl(fd, MEMCTL_IOCTL_PROCESS_RANGES, &call) ? -errno : 0;
		done += call.done;
	} while (!ret && !call.ret_errno && done < count);

	if (result)
		*result = (struct memctl_result){ done, call.ret_errno, call.ret_code };
	return ret ? ret : -(int)call.ret_errno;
}

/**
 * memctl_pidfd() - open a process by its id
 *
 * Return: a file descriptor to close(), or a negative errno.
 */
static inline int memctl_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/**
 * memctl_discard_function() - which function gives memory back on this host
 * @fd: from memctl_open()
 *
 * On shared host memory MEMCTL_DONTNEED succeeds and frees nothing, on private
 * memory MEMCTL_REMOVE is refused. Tried on a page of our own: write, discard,
 * read back. A host on huge pages frees no page alone: MEMCTL_REMOVE is the
 * answer there if it zeroes, else 0.
 *
 * Return: MEMCTL_REMOVE or MEMCTL_DONTNEED, 0 if neither frees.
 */
static inline uint64_t memctl_discard_function(int fd)
{
	static const uint64_t functions[] = { MEMCTL_REMOVE, MEMCTL_DONTNEED };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile uint64_t *memory = (volatile uint64_t *)mmap(NULL, page, PROT_READ | PROT_WRITE,
							      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memctl_range range = { (uintptr_t)memory, page };
	uint64_t frees = 0;
	size_t i;

	if (memory == MAP_FAILED)
		return 0;
	for (i = 0; i < 2 && !frees; i++) {
		*memory = ~0ULL;
		if (!memctl_process(fd, MEMCTL_SELF, functions[i], &range, 1, 0, NULL) && !*memory)
			frees = functions[i];
	}
	munmap((void *)memory, page);
	return frees;
}

/**
 * memctl_info() - describe the device
 * @fd: from memctl_open()
 * @info: receives the description
 *
 * Return: 0 or a negative errno.
 */
static inline int memctl_info(int fd, struct memctl_vmm_info *info)
{
	struct memctl_buf answer;
	int ret = memctl_call(fd, MEMCTL_INFO, 0, 0, 0, &answer);

	if (ret)
		return ret;
	*info = answer.info;
	return -(int)info->ret_errno;
}

/**
 * memctl_function_name() - the name of a function code
 *
 * Return: a string such as "MEMCTL_DONTNEED", NULL for an unknown code.
 */
static inline const char *memctl_function_name(uint64_t func_code)
{
	static const char * const names[MEMCTL_FUNCTIONS] = {
		"MEMCTL_INFO", "MEMCTL_DONTNEED", "MEMCTL_REMOVE", "MEMCTL_FREE",
		"MEMCTL_PAGEOUT", "MEMCTL_UNMERGEABLE", "MEMCTL_DONTDUMP",
		"MEMCTL_MLOCK", "MEMCTL_MUNLOCK", "MEMCTL_MPROTECT_NONE",
		"MEMCTL_MPROTECT_R", "MEMCTL_MPROTECT_W", "MEMCTL_MPROTECT_RW",
		"MEMCTL_SET_VMA_ANON_NAME",
	};

	return func_code < MEMCTL_FUNCTIONS ? names[func_code] : NULL;
}

#endif /* MEMCTL_GUEST_H */
