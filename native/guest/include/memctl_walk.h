/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libmemctl-guest: where a process has its memory in the guest
 *
 * A walk over /proc/PID/pagemap; frame numbers there need CAP_SYS_ADMIN:
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
#ifndef MEMCTL_WALK_H
#define MEMCTL_WALK_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

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

#endif /* MEMCTL_WALK_H */
