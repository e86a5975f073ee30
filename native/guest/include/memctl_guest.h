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
 * Where a process has its memory shows a walk:
 *
 *	struct memctl_walk walk;
 *	struct memctl_run run;
 *	int ret = memctl_walk_start(&walk, pid, start, end, 0, SIZE_MAX);
 *
 *	if (ret)
 *		return ret;
 *	while ((ret = memctl_walk_next(&walk, &run)) > 0)
 *		...
 *	memctl_walk_end(&walk);
 *
 * The kernel may move a page to another frame at any time, unless it is pinned as
 * locking it by memctl_process() does. A run is what the process had when it was
 * read; memctl_walk_check() shows whether it still has.
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

/* Bits of an entry in /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst) */
#define MEMCTL_PAGEMAP_PRESENT		(1ULL << 63)
#define MEMCTL_PAGEMAP_FILE		(1ULL << 61)	/* of a file, or shared memory */
#define MEMCTL_PAGEMAP_EXCLUSIVE	(1ULL << 56)	/* mapped here only */
#define MEMCTL_PAGEMAP_FRAME		((1ULL << 55) - 1)

/* Walk pages that others see too: of files, of shared memory, shared by fork. */
#define MEMCTL_WALK_SHARED		0x1u

#define MEMCTL_WALK_ENTRIES		64

/**
 * struct memctl_run - process memory that is contiguous in the guest, too
 * @virt: address in the process
 * @phys: guest physical address
 * @length: bytes
 */
struct memctl_run {
	uint64_t virt;
	uint64_t phys;
	uint64_t length;
};

/**
 * struct memctl_walk - progress through a range of a process
 * @absent: bytes passed over that have no page: never touched, or swapped out
 * @shared: bytes passed over that others see too
 *
 * The other fields are the walk's own.
 */
struct memctl_walk {
	uint64_t absent;
	uint64_t shared;
	int fd;
	unsigned int flags;
	uint64_t page_size;
	uint64_t next;
	uint64_t end;
	uint64_t longest;
	uint64_t filled_from;
	uint64_t filled;
	uint64_t entries[MEMCTL_WALK_ENTRIES];
};

/**
 * memctl_walk_start() - walk a process's range
 * @walk: the walk, to be ended with memctl_walk_end() if this returns 0
 * @pid: the process, 0 for the caller
 * @start: first address, a multiple of the page size
 * @end: address past the last, a multiple of the page size
 * @flags: 0 or MEMCTL_WALK_SHARED
 * @longest: runs are at most so many bytes
 *
 * Return: 0 or a negative errno: -EINVAL for a range that is unaligned or ends
 * before it starts, -ENOENT without such a process.
 */
static inline int memctl_walk_start(struct memctl_walk *walk, pid_t pid, uint64_t start,
				    uint64_t end, unsigned int flags, uint64_t longest)
{
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	char path[64] = "/proc/self/pagemap";

	if (start % page_size || end % page_size || start > end || longest < page_size)
		return -EINVAL;
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);

	memset(walk, 0, sizeof(*walk));
	walk->flags = flags;
	walk->page_size = page_size;
	walk->next = start;
	walk->end = end;
	walk->longest = longest;
	walk->fd = open(path, O_RDONLY | O_CLOEXEC);
	return walk->fd < 0 ? -errno : 0;
}

/** memctl_walk_end() - release what memctl_walk_start() took */
static inline void memctl_walk_end(struct memctl_walk *walk)
{
	close(walk->fd);
}

/* Entries of @count pages from @virt on; past the address space's end there are none. */
static inline int memctl_walk_read(const struct memctl_walk *walk, uint64_t virt,
				   uint64_t *entries, size_t count)
{
	size_t bytes = count * sizeof(*entries);
	ssize_t got = pread(walk->fd, entries, bytes,
			    (off_t)(virt / walk->page_size * sizeof(*entries)));

	if (got < 0)
		return -errno;
	memset((char *)entries + got, 0, bytes - (size_t)got);
	return 0;
}

/*
 * The frame's guest physical address at walk->next, counting what is passed
 * over. Returns 1, 0 for a page to pass over, or a negative errno.
 */
static inline int memctl_walk_page(struct memctl_walk *walk, uint64_t *phys)
{
	uint64_t index = (walk->next - walk->filled_from) / walk->page_size;
	uint64_t entry, pages;
	int ret;

	if (index >= walk->filled) {
		pages = (walk->end - walk->next) / walk->page_size;
		walk->filled = pages < MEMCTL_WALK_ENTRIES ? pages : MEMCTL_WALK_ENTRIES;
		walk->filled_from = walk->next;
		index = 0;
		ret = memctl_walk_read(walk, walk->next, walk->entries, walk->filled);
		if (ret)
			return ret;
	}

	entry = walk->entries[index];
	if (!(entry & MEMCTL_PAGEMAP_PRESENT)) {
		walk->absent += walk->page_size;
		return 0;
	}
	if (!(walk->flags & MEMCTL_WALK_SHARED) &&
	    (entry & MEMCTL_PAGEMAP_FILE || !(entry & MEMCTL_PAGEMAP_EXCLUSIVE))) {
		walk->shared += walk->page_size;
		return 0;
	}
	/* The kernel shows no frames to those that it does not trust with them. */
	if (!(entry & MEMCTL_PAGEMAP_FRAME))
		return -EPERM;

	*phys = (entry & MEMCTL_PAGEMAP_FRAME) * walk->page_size;
	return 1;
}

/**
 * memctl_walk_next() - the next run of the range
 * @walk: the walk
 * @run: receives the run: as long as frames follow each other, and @longest allows
 *
 * Return: 1 with a run, 0 at the end, or a negative errno.
 */
static inline int memctl_walk_next(struct memctl_walk *walk, struct memctl_run *run)
{
	uint64_t phys = 0;
	int ret;

	run->length = 0;
	/* What was read before the last run's request may be out of date by now. */
	walk->filled = 0;
	while (walk->next < walk->end && run->length + walk->page_size <= walk->longest) {
		uint64_t absent = walk->absent, shared = walk->shared;

		ret = memctl_walk_page(walk, &phys);
		if (ret < 0)
			return ret;
		if (run->length && (!ret || phys != run->phys + run->length)) {
			/* Looked at again, and counted then, by the next call. */
			walk->absent = absent;
			walk->shared = shared;
			break;
		}
		if (ret) {
			if (!run->length) {
				run->virt = walk->next;
				run->phys = phys;
			}
			run->length += walk->page_size;
		}
		walk->next += walk->page_size;
	}
	return run->length != 0;
}

/**
 * memctl_walk_check() - whether a run is still where it was
 * @walk: the walk that gave the run
 * @run: the run
 * @moved: receives the bytes that now have another frame, or none
 *
 * Return: 0 or a negative errno.
 */
static inline int memctl_walk_check(const struct memctl_walk *walk,
				    const struct memctl_run *run, uint64_t *moved)
{
	uint64_t entries[MEMCTL_WALK_ENTRIES], done = 0, phys, pages, i;
	int ret;

	*moved = 0;
	while (done < run->length) {
		pages = (run->length - done) / walk->page_size;
		if (pages > MEMCTL_WALK_ENTRIES)
			pages = MEMCTL_WALK_ENTRIES;
		ret = memctl_walk_read(walk, run->virt + done, entries, pages);
		if (ret)
			return ret;
		for (i = 0; i < pages; i++, done += walk->page_size) {
			phys = (entries[i] & MEMCTL_PAGEMAP_FRAME) * walk->page_size;
			if (!(entries[i] & MEMCTL_PAGEMAP_PRESENT) || phys != run->phys + done)
				*moved += walk->page_size;
		}
	}
	return 0;
}

#endif /* MEMCTL_GUEST_H */
