/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memctl example: memory for a key that the host keeps for its owner alone
 *
 * A key that is locked and kept out of core dumps by mlock() and madvise() is so
 * within the guest. The host may still swap it out, and write it into a core dump
 * of the virtual machine monitor. This one is locked on the host too, kept out of
 * that dump, and has a page on either side that nothing can touch, the guest's
 * kernel not excepted: what reads past the key's end is stopped by the host.
 *
 * Where there is no device or no privilege the key has what the guest can give.
 * The functions are for one owner: a key is not shared between threads here.
 */
#ifndef MEMCTL_KEY_H
#define MEMCTL_KEY_H

#include "memctl_guest.h"
#include "memctl_walk.h"

/* What the host does for a key. */
#define MEMCTL_KEY_LOCKED	0x1u
#define MEMCTL_KEY_GUARDED	0x2u
#define MEMCTL_KEY_UNDUMPED	0x4u

/**
 * struct memctl_key - a page for a key, between two guards
 * @bytes: the key; a page of it
 * @host: MEMCTL_KEY_*: what the host does for it
 * @device: what lasts belongs to this file
 */
struct memctl_key {
	void *bytes;
	unsigned int host;
	int device;
};

/*
 * Nothing takes a page of the host's dumps back into them, so the driver does not
 * do it for a process. The page is pinned by its lock: its frame is ours, and has
 * this attribute for good.
 */
static inline int memctl_key_keep_out_of_dumps(const struct memctl_key *key, size_t page)
{
	uint64_t start = (uintptr_t)key->bytes;
	struct memctl_walk walk;
	struct memctl_run run;
	int ret = memctl_walk_start(&walk, 0, start, start + page, 0, page);

	if (ret)
		return ret;
	ret = memctl_walk_next(&walk, &run);
	memctl_walk_end(&walk);
	return ret == 1 ? memctl_request(key->device, MEMCTL_DONTDUMP, run.phys, page, 0) : -ENOENT;
}

/**
 * memctl_key_new() - memory for a key
 * @key: receives it; to be given to memctl_key_free()
 *
 * Return: 0, or a negative errno if there is not even memory locked in the guest.
 */
static inline int memctl_key_new(struct memctl_key *key)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = (char *)mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memctl_range middle = { (uintptr_t)memory + page, page };
	struct memctl_range guards[] = {
		{ (uintptr_t)memory, page }, { (uintptr_t)memory + 2 * page, page },
	};

	if (memory == MAP_FAILED)
		return -errno;
	key->bytes = memory + page;
	key->host = 0;
	/* A fork or a core dump would read the guards, and end the guest. */
	if (madvise(memory, 3 * page, MADV_DONTFORK) || madvise(memory, 3 * page, MADV_DONTDUMP) ||
	    mlock(key->bytes, page)) {
		int error = errno;

		munmap(memory, 3 * page);
		return -error;
	}

	key->device = memctl_open();
	if (key->device < 0)
		return 0;
	if (!memctl_process(key->device, MEMCTL_SELF, MEMCTL_MLOCK, &middle, 1, 0, NULL)) {
		key->host |= MEMCTL_KEY_LOCKED;
		if (!memctl_key_keep_out_of_dumps(key, page))
			key->host |= MEMCTL_KEY_UNDUMPED;
	}
	if (!memctl_process(key->device, MEMCTL_SELF, MEMCTL_MPROTECT_NONE, guards, 2, 0, NULL))
		key->host |= MEMCTL_KEY_GUARDED;
	return 0;
}

/** memctl_key_free() - wipe a key; what the host did for it is reverted */
static inline void memctl_key_free(struct memctl_key *key)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	explicit_bzero(key->bytes, page);
	if (key->device >= 0)
		close(key->device);
	munmap((char *)key->bytes - page, 3 * page);
	key->bytes = NULL;
}

#endif /* MEMCTL_KEY_H */
