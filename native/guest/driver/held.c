// SPDX-License-Identifier: GPL-2.0
/*
 * memctl held pages: what a request leaves behind on a process's memory
 *
 * A lock, a protection or a name outlasts its request, on the host and on a
 * guest frame that will be another's one day. So it belongs to the open file
 * that asked for it: the pages stay pinned, one map for all files knows what is
 * in force on each frame, and the file's last close reverts it before it lets go
 * of the page. A frame belongs to one file only, as the host does not count
 * locks, and a file to one process, which is charged. The map and its lock are
 * private to this file, so that no other code can leave a frame behind.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "memctl_device.h"

/* Frames whose effect is that of the request in progress alone. */
#define MEMCTL_NEW		XA_MARK_0

/* By frame number: the file's number and the effects, as a value entry. */
static DEFINE_XARRAY_FLAGS(memctl_held, XA_FLAGS_ACCOUNT);

/* Serialises every change to memctl_held and to the host's view of its frames. */
static DEFINE_MUTEX(memctl_held_lock);

/* Frames to be reverted next, under the lock: closing a file needs no memory. */
static struct memctl_range memctl_revert_list[MEMCTL_LIST_RANGES];

static void *memctl_held_entry(unsigned int id, unsigned int effects)
{
	return xa_mk_value((unsigned long)id << MEMCTL_EFFECT_BITS | effects);
}

static unsigned int memctl_held_id(void *entry)
{
	return xa_to_value(entry) >> MEMCTL_EFFECT_BITS;
}

static unsigned int memctl_held_effects(void *entry)
{
	return xa_to_value(entry) & (BIT(MEMCTL_EFFECT_BITS) - 1);
}

static unsigned long memctl_first_frame(const struct memctl_range *range)
{
	return PHYS_PFN(range->addr);
}

static unsigned long memctl_last_frame(const struct memctl_range *range)
{
	return PHYS_PFN(range->addr + range->length) - 1;
}

/* memctl_unpin_ranges() - unpin guest physical ranges, of changed pages if @dirty */
void memctl_unpin_ranges(const struct memctl_range *ranges, unsigned int count, bool dirty)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		unpin_user_page_range_dirty_lock(pfn_to_page(memctl_first_frame(&ranges[i])),
						 PHYS_PFN(ranges[i].length), dirty);
}

static void memctl_unpin_frame(unsigned long frame)
{
	/* What the process has there may be in its swap too, and be another. */
	unpin_user_page_range_dirty_lock(pfn_to_page(frame), 1, true);
}

/*
 * The host has, or has not, reverted @effect on an extent of frames. A frame that
 * can't be touched is kept for good: nobody may ever be given it. Returns how
 * many frames were let go.
 */
static unsigned long memctl_reverted(const struct memctl_range *range, unsigned int effect,
				     bool success)
{
	unsigned long frame, freed = 0;
	unsigned int id, effects;
	void *entry;

	for (frame = memctl_first_frame(range); frame <= memctl_last_frame(range); frame++) {
		entry = xa_load(&memctl_held, frame);
		id = memctl_held_id(entry);
		effects = memctl_held_effects(entry);
		if (!success && effect == MEMCTL_PROTECTED)
			id = MEMCTL_NOBODY;
		else
			effects &= ~effect;

		/* An entry is replaced by an entry, which takes no memory. */
		xa_clear_mark(&memctl_held, frame, MEMCTL_NEW);
		if (effects) {
			xa_store(&memctl_held, frame, memctl_held_entry(id, effects), GFP_KERNEL);
			continue;
		}
		xa_erase(&memctl_held, frame);
		memctl_unpin_frame(frame);
		freed++;
	}
	return freed;
}

/* Reverts @effect on the first @count ranges of the list. Returns frames let go. */
static unsigned long memctl_revert_listed(unsigned int effect, unsigned int count)
{
	struct memctl_range *list = memctl_revert_list;
	unsigned int first = 0, done, i;
	unsigned long freed = 0;
	struct memctl_buf answer;
	int ret = 0;

	while (first < count) {
		done = 0;
		if (!ret)
			ret = memctl_ranges(memctl_reverting_function(effect), list + first,
					    count - first, 0, &done, &answer);
		for (i = first; i < first + done; i++)
			freed += memctl_reverted(&list[i], effect, true);
		first += done;
		if (first == count)
			break;

		if (effect == MEMCTL_PROTECTED)
			pr_err_ratelimited("memctl: can't make memory at %#llx accessible, keeping %llu bytes\n",
					   list[first].addr, list[first].length);
		freed += memctl_reverted(&list[first], effect, false);
		first++;
	}
	return freed;
}

/*
 * Reverts @effect on the frames from @first to @last that file @id holds. With
 * @only_new on those to which the request in progress applied it. Returns frames
 * let go.
 */
static unsigned long memctl_revert_frames(unsigned int id, unsigned int effect,
					  unsigned long first, unsigned long last,
					  bool only_new)
{
	struct memctl_range *list = memctl_revert_list;
	unsigned long frame, freed = 0;
	unsigned int count = 0;
	void *entry;

	lockdep_assert_held(&memctl_held_lock);

	xa_for_each_range(&memctl_held, frame, entry, first, last) {
		if (memctl_held_id(entry) != id || !(memctl_held_effects(entry) & effect) ||
		    (only_new && !xa_get_mark(&memctl_held, frame, MEMCTL_NEW)))
			continue;
		if (count && memctl_last_frame(&list[count - 1]) + 1 == frame) {
			list[count - 1].length += PAGE_SIZE;
			continue;
		}
		if (count == MEMCTL_LIST_RANGES) {
			freed += memctl_revert_listed(effect, count);
			count = 0;
		}
		list[count].addr = PFN_PHYS(frame);
		list[count].length = PAGE_SIZE;
		count++;
	}
	return freed + memctl_revert_listed(effect, count);
}

/* Everything that file @id holds. Returns frames let go. */
static unsigned long memctl_revert_file(unsigned int id)
{
	return memctl_revert_frames(id, MEMCTL_PROTECTED, 0, ULONG_MAX, false) +
	       memctl_revert_frames(id, MEMCTL_LOCKED, 0, ULONG_MAX, false) +
	       memctl_revert_frames(id, MEMCTL_NAMED, 0, ULONG_MAX, false);
}

/*
 * Notes that @effect comes into force on a pinned frame. Returns 1 if the frame is
 * held from now on, 0 if it was and needs this pin no more, or a negative errno.
 */
static int memctl_claim_frame(unsigned int id, unsigned int effect, unsigned long frame)
{
	void *entry = xa_load(&memctl_held, frame);
	unsigned int effects = 0;
	int ret;

	if (entry) {
		if (memctl_held_id(entry) != id)
			return -EBUSY;
		effects = memctl_held_effects(entry);
	}
	if (!(effects & effect)) {
		ret = xa_err(xa_store(&memctl_held, frame, memctl_held_entry(id, effects | effect),
				      GFP_KERNEL));
		if (ret)
			return ret;
		xa_set_mark(&memctl_held, frame, MEMCTL_NEW);
	}
	if (!entry)
		return 1;
	memctl_unpin_frame(frame);
	return 0;
}

/* The request was not made for these frames, or did not fail: no longer new. */
static unsigned long memctl_settle_range(const struct memctl_range *range, unsigned int effect,
					 bool in_force)
{
	unsigned long frame, first = memctl_first_frame(range), freed = 0;
	struct memctl_range one;

	for (frame = first; frame <= memctl_last_frame(range); frame++) {
		if (!xa_get_mark(&memctl_held, frame, MEMCTL_NEW))
			continue;
		if (in_force) {
			xa_clear_mark(&memctl_held, frame, MEMCTL_NEW);
			continue;
		}
		one.addr = PFN_PHYS(frame);
		one.length = PAGE_SIZE;
		freed += memctl_reverted(&one, effect, true);
	}
	return freed;
}

static void memctl_refuse(struct memctl_buf *answer, int error, u32 code)
{
	memset(answer, 0, sizeof(*answer));
	answer->ret.ret_errno = error;
	answer->ret.ret_code = code;
}

/*
 * Claims frames until one is refused. Returns how many ranges are claimed in
 * full; @error is why the next one is not. Pins of what is not claimed are dropped.
 */
static unsigned int memctl_claim_ranges(unsigned int id, unsigned int effect,
					const struct memctl_range *ranges, unsigned int count,
					unsigned long *held, int *error)
{
	unsigned int i, claimed = count;
	unsigned long frame;
	int ret;

	*error = 0;
	for (i = 0; i < count; i++) {
		for (frame = memctl_first_frame(&ranges[i]);
		     frame <= memctl_last_frame(&ranges[i]); frame++) {
			ret = *error ?: memctl_claim_frame(id, effect, frame);
			if (ret > 0)
				*held += ret;
			if (ret >= 0)
				continue;
			memctl_unpin_frame(frame);
			if (!*error)
				claimed = i;
			*error = ret;
		}
	}
	return claimed;
}

/**
 * memctl_hold() - make a request that outlasts itself
 * @mfile: the open file that it will belong to, bound to the pages' process
 * @func_code: what to do to each range
 * @ranges: pinned guest physical memory; the pins are taken over
 * @count: number of @ranges
 * @arg: argument of the function
 * @done: receives how many ranges were carried out in full
 * @answer: receives the answer for range number @done if that failed
 *
 * What fails is reverted. Return: 0 if there is an answer, else a negative errno.
 */
int memctl_hold(struct memctl_file *mfile, u64 func_code, const struct memctl_range *ranges,
		unsigned int count, u64 arg, unsigned int *done, struct memctl_buf *answer)
{
	unsigned int effect = memctl_held_effect(func_code, arg), claimed, tried, i;
	unsigned long pages = 0, held = 0, freed = 0;
	int ret, error;

	*done = 0;
	for (i = 0; i < count; i++)
		pages += PHYS_PFN(ranges[i].length);
	if (account_locked_vm(mfile->mm, pages, true)) {
		memctl_unpin_ranges(ranges, count, false);
		memctl_refuse(answer, ENOMEM, MEMCTL_REFUSED_LIMIT);
		return 0;
	}

	mutex_lock(&memctl_held_lock);
	claimed = memctl_claim_ranges(mfile->id, effect, ranges, count, &held, &error);
	ret = memctl_ranges(func_code, ranges, claimed, arg, done, answer);

	/* The range that failed may have been carried out in part. */
	tried = ret == -ENODEV ? *done : min(*done + 1, claimed);
	for (i = 0; i < *done; i++)
		freed += memctl_settle_range(&ranges[i], effect, true);
	for (; i < tried; i++)
		freed += memctl_revert_frames(mfile->id, effect, memctl_first_frame(&ranges[i]),
					      memctl_last_frame(&ranges[i]), true);
	for (; i < count; i++)
		freed += memctl_settle_range(&ranges[i], effect, false);
	mfile->charged += held - freed;
	mutex_unlock(&memctl_held_lock);

	account_locked_vm(mfile->mm, pages - held + freed, false);
	if (ret || *done < claimed || !error)
		return ret;
	if (error != -EBUSY)
		return error;
	memctl_refuse(answer, EBUSY, MEMCTL_REFUSED_HELD);
	return 0;
}

/**
 * memctl_held_revert() - revert an effect on what a file holds
 * @mfile: the open file
 * @effect: from memctl_held_reverts()
 * @ranges: guest physical memory; what @mfile does not hold of it is passed over
 * @count: number of @ranges
 */
void memctl_held_revert(struct memctl_file *mfile, unsigned int effect,
			const struct memctl_range *ranges, unsigned int count)
{
	unsigned long freed = 0;
	unsigned int i;

	mutex_lock(&memctl_held_lock);
	for (i = 0; i < count; i++)
		freed += memctl_revert_frames(mfile->id, effect, memctl_first_frame(&ranges[i]),
					      memctl_last_frame(&ranges[i]), false);
	mfile->charged -= freed;
	mutex_unlock(&memctl_held_lock);
	account_locked_vm(mfile->mm, freed, false);
}

/**
 * memctl_held_release() - revert all that a file holds, and let go of its pages
 * @mfile: the open file, at its last close
 */
void memctl_held_release(struct memctl_file *mfile)
{
	mutex_lock(&memctl_held_lock);
	memctl_revert_file(mfile->id);
	mutex_unlock(&memctl_held_lock);

	if (mfile->mm) {
		account_locked_vm(mfile->mm, mfile->charged, false);
		mmdrop(mfile->mm);
	}
}

/**
 * memctl_held_bind() - let a file hold memory of a process
 * @mfile: the open file
 * @mm: the process's memory
 *
 * Return: 0, or -EBUSY if it is another's.
 */
int memctl_held_bind(struct memctl_file *mfile, struct mm_struct *mm)
{
	int ret = 0;

	mutex_lock(&memctl_held_lock);
	if (!mfile->mm) {
		mmgrab(mm);
		mfile->mm = mm;
	} else if (mfile->mm != mm) {
		ret = -EBUSY;
	}
	mutex_unlock(&memctl_held_lock);
	return ret;
}

/**
 * memctl_held_revert_all() - revert what all files hold
 *
 * For a device that goes, and for the next kernel, which must not meet memory
 * that it can't touch. Files are charged until they are closed.
 */
void memctl_held_revert_all(void)
{
	unsigned long frame;
	void *entry;

	mutex_lock(&memctl_held_lock);
	xa_for_each(&memctl_held, frame, entry)
		xa_store(&memctl_held, frame,
			 memctl_held_entry(MEMCTL_NOBODY, memctl_held_effects(entry)), GFP_KERNEL);
	memctl_revert_file(MEMCTL_NOBODY);
	mutex_unlock(&memctl_held_lock);
}

/**
 * memctl_held_any() - whether any file holds anything
 *
 * Return: true if a lock, a protection or a name is in force on a held frame.
 */
bool memctl_held_any(void)
{
	return !xa_empty(&memctl_held);
}
