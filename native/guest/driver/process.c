// SPDX-License-Identifier: GPL-2.0
/*
 * memctl on a process's memory, by its own addresses (protocol, "Ranges of a process")
 *
 * Pages are pinned while the device is asked about the frames that they are on,
 * so a request hits what was meant, whatever the process and the kernel do
 * meanwhile. What is gathered, neighbours joined, makes one request for a list's
 * worth of ranges. Only memory that is anonymous and this process's alone will
 * do: a discard on other memory takes it from someone else.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kernel_versions.h"
#include "memctl_device.h"

/* Pages that are pinned under one hold of the process's mmap lock. */
#define MEMCTL_PIN_PAGES	512

/* A list's entry is short enough for the device to stop between two. */
#define MEMCTL_ENTRY_BYTES	SZ_4M

/* Pinned at a time without being charged. */
#define MEMCTL_BATCH_BYTES	SZ_64M

/* What the kernel reads by itself: for a child, a core dump, or to merge pages. */
#define MEMCTL_READERS_MASK	(VM_DONTCOPY | VM_DONTDUMP | VM_MERGEABLE)
#define MEMCTL_NO_READERS	(VM_DONTCOPY | VM_DONTDUMP)

static_assert(sizeof(struct memctl_process_ranges) == 56);

/**
 * enum memctl_kind - how a function treats the pages
 * @MEMCTL_ACTS: on pages that are there, and is over
 * @MEMCTL_HOLDS: outlasts the request; pages are made, and stay pinned
 * @MEMCTL_REVERTS: what outlasted another
 */
enum memctl_kind {
	MEMCTL_ACTS,
	MEMCTL_HOLDS,
	MEMCTL_REVERTS,
};

/**
 * struct memctl_batch - a call in progress
 * @mfile: the open file
 * @mm: the process
 * @call: the call; its outcome is written here
 * @kind: of its function
 * @effect: what it leaves in force or reverts
 * @at: number of the range that is gathered now
 * @refused_errno: why gathering ended at range @at, 0 if it did not
 * @refused_code: MEMCTL_REFUSED_* for it
 * @count: entries in @ranges
 * @bytes: bytes in them
 * @ranges: pinned guest physical memory
 * @from: for each entry the number of the first range that it is from
 * @pages: those that are pinned and not yet in @ranges
 */
struct memctl_batch {
	struct memctl_file *mfile;
	struct mm_struct *mm;
	struct memctl_process_ranges *call;
	enum memctl_kind kind;
	unsigned int effect;
	u64 at;
	u32 refused_errno;
	u32 refused_code;
	unsigned int count;
	u64 bytes;
	struct memctl_range ranges[MEMCTL_LIST_RANGES];
	u64 from[MEMCTL_LIST_RANGES];
	struct page *pages[MEMCTL_PIN_PAGES];
};

static int memctl_classify(struct memctl_batch *batch)
{
	const struct memctl_process_ranges *call = batch->call;

	switch (call->func_code) {
	case MEMCTL_DONTNEED:
	case MEMCTL_REMOVE:
	case MEMCTL_FREE:
	case MEMCTL_PAGEOUT:
		batch->kind = MEMCTL_ACTS;
		return 0;
	default:
		batch->kind = MEMCTL_HOLDS;
		batch->effect = memctl_held_effect(call->func_code, call->arg);
		if (batch->effect)
			return 0;
		batch->kind = MEMCTL_REVERTS;
		batch->effect = memctl_held_reverts(call->func_code, call->arg);
		return batch->effect ? 0 : -EOPNOTSUPP;
	}
}

static void memctl_refuse_range(struct memctl_batch *batch, int error, u32 code)
{
	batch->refused_errno = error;
	batch->refused_code = code;
}

/*
 * Makes the request for what has been gathered. All of the call's ranges before
 * number @batch->at are carried out if it succeeds.
 */
static int memctl_flush(struct memctl_batch *batch)
{
	struct memctl_process_ranges *call = batch->call;
	struct memctl_buf answer = { };
	unsigned int done = batch->count;
	int ret = 0;

	switch (batch->kind) {
	case MEMCTL_ACTS:
		ret = memctl_ranges(call->func_code, batch->ranges, batch->count, call->arg,
				    &done, &answer);
		/* What is in swap too must not come back from there as it was. */
		memctl_unpin_ranges(batch->ranges, batch->count,
				    call->func_code != MEMCTL_PAGEOUT);
		break;
	case MEMCTL_HOLDS:
		ret = memctl_hold(batch->mfile, call->func_code, batch->ranges, batch->count,
				  call->arg, &done, &answer);
		break;
	case MEMCTL_REVERTS:
		memctl_held_revert(batch->mfile, batch->effect, batch->ranges, batch->count);
		memctl_unpin_ranges(batch->ranges, batch->count, false);
		break;
	}

	call->done = done < batch->count ? batch->from[done] : batch->at;
	call->ret_errno = answer.ret.ret_errno;
	call->ret_code = answer.ret.ret_code;
	batch->count = 0;
	batch->bytes = 0;
	return ret;
}

/* Whether gathering goes on: no error of the call, and no answer that ends it. */
static bool memctl_goes_on(const struct memctl_batch *batch, int ret)
{
	return !ret && !batch->call->ret_errno && !batch->refused_errno;
}

/* Adds a pinned page to the list, and makes the request if it is full. */
static int memctl_add_page(struct memctl_batch *batch, struct page *page)
{
	struct memctl_range *next = &batch->ranges[batch->count];
	phys_addr_t addr = page_to_phys(page);
	int ret = 0;

	if (batch->count && next[-1].addr + next[-1].length == addr &&
	    next[-1].length < MEMCTL_ENTRY_BYTES) {
		next[-1].length += PAGE_SIZE;
	} else {
		next->addr = addr;
		next->length = PAGE_SIZE;
		batch->from[batch->count] = batch->at;
		batch->count++;
	}
	batch->bytes += PAGE_SIZE;
	if (batch->count == MEMCTL_LIST_RANGES || batch->bytes == MEMCTL_BATCH_BYTES)
		ret = memctl_flush(batch);
	return ret;
}

/*
 * What can't be pinned at @address: nothing there, which an action passes over, or
 * a page that others see. Returns whether to try again, as the process has just
 * touched the page. The mmap lock is held, which does not keep it from that.
 */
static bool memctl_judge_unpinned(struct memctl_batch *batch, unsigned long address)
{
	struct page *page;
	bool again = false;

	if (batch->kind == MEMCTL_HOLDS) {
		memctl_refuse_range(batch, EFAULT, MEMCTL_REFUSED_ABSENT);
		return false;
	}
	if (memctl_get_page(batch->mm, address, FOLL_FORCE | FOLL_NOFAULT, &page) != 1)
		return false;
	if (PageAnon(page)) {
		again = PageAnonExclusive(page);
		if (!again && batch->kind == MEMCTL_ACTS)
			memctl_refuse_range(batch, EBUSY, MEMCTL_REFUSED_SHARED);
	}
	put_page(page);
	return again;
}

/*
 * Pins pages from *@address on, none past @end. Returns how many are in
 * @batch->pages, 0 with *@address moved on where there are none, or a negative
 * errno. @anonymous receives whether they are of an anonymous mapping.
 */
static long memctl_pin_some(struct memctl_batch *batch, unsigned long *address,
			    unsigned long end, bool *anonymous)
{
	/* Read-only or inaccessible to the process makes no difference to a discard. */
	unsigned int flags = FOLL_FORCE | FOLL_NOFAULT;
	struct vm_area_struct *vma;
	unsigned long count;
	long pinned;

	if (batch->kind == MEMCTL_HOLDS)
		flags = FOLL_WRITE | FOLL_LONGTERM;

	if (mmap_read_lock_killable(batch->mm))
		return -EINTR;
	vma = find_vma(batch->mm, *address);
	if (!vma || vma->vm_start > *address) {
		if (batch->kind == MEMCTL_HOLDS)
			memctl_refuse_range(batch, EFAULT, MEMCTL_REFUSED_ABSENT);
		*address = vma ? min(vma->vm_start, end) : end;
		pinned = 0;
		goto out_unlock;
	}
	if (batch->call->func_code == MEMCTL_MPROTECT_NONE &&
	    (vma->vm_flags & MEMCTL_READERS_MASK) != MEMCTL_NO_READERS) {
		memctl_refuse_range(batch, EPERM, MEMCTL_REFUSED_READERS);
		pinned = 0;
		goto out_unlock;
	}

	*anonymous = vma_is_anonymous(vma);
	count = min3((end - *address) >> PAGE_SHIFT, (vma->vm_end - *address) >> PAGE_SHIFT,
		     (unsigned long)MEMCTL_PIN_PAGES);
	pinned = memctl_pin_pages(batch->mm, *address, count, flags, batch->pages);
	if (pinned == -EFAULT) {
		if (!memctl_judge_unpinned(batch, *address))
			*address += PAGE_SIZE;
		pinned = 0;
	}
out_unlock:
	mmap_read_unlock(batch->mm);
	return pinned;
}

/* Takes in what was pinned from *@address on, in order, until a page is refused. */
static int memctl_take_pages(struct memctl_batch *batch, long pinned, bool anonymous,
			     unsigned long *address)
{
	int ret = 0;
	long i;

	for (i = 0; i < pinned && memctl_goes_on(batch, ret); i++, *address += PAGE_SIZE) {
		struct page *page = batch->pages[i];

		if (PageAnon(page)) {
			ret = memctl_add_page(batch, page);
			continue;
		}
		/* In an anonymous mapping it is the zero page: nothing is there. */
		if (!anonymous && batch->kind != MEMCTL_REVERTS)
			memctl_refuse_range(batch, EACCES, MEMCTL_REFUSED_FILE);
		unpin_user_page(page);
	}
	unpin_user_pages(batch->pages + i, pinned - i);
	return ret;
}

static int memctl_gather_range(struct memctl_batch *batch, const struct memctl_range *range)
{
	unsigned long address = range->addr, end;
	bool anonymous = false;
	long pinned;
	int ret = 0;

	if ((range->addr | range->length) & ~PAGE_MASK ||
	    range->addr > ULONG_MAX - range->length ||
	    !access_ok((void __user *)address, range->length)) {
		memctl_refuse_range(batch, EINVAL, MEMCTL_REFUSED_RANGE);
		return 0;
	}

	end = address + range->length;
	while (address < end && memctl_goes_on(batch, ret)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		pinned = memctl_pin_some(batch, &address, end, &anonymous);
		if (pinned < 0)
			return pinned;
		if (pinned)
			ret = memctl_take_pages(batch, pinned, anonymous, &address);
		cond_resched();
	}
	return ret;
}

static int memctl_gather(struct memctl_batch *batch)
{
	struct memctl_process_ranges *call = batch->call;
	const struct memctl_range __user *user = u64_to_user_ptr(call->ranges);
	struct memctl_range range;
	int ret = 0, flushed;

	while (batch->at < call->count) {
		if (copy_from_user(&range, user + batch->at, sizeof(range))) {
			ret = -EFAULT;
			break;
		}
		ret = memctl_gather_range(batch, &range);
		if (!memctl_goes_on(batch, ret))
			break;
		batch->at++;
		if (signal_pending(current))
			break;
	}

	/* An answer that ended it came from a flush: there is nothing left then. */
	if (!call->ret_errno && (!ret || batch->count)) {
		flushed = memctl_flush(batch);
		ret = ret ?: flushed;
	}
	if (!ret && !call->ret_errno) {
		call->ret_errno = batch->refused_errno;
		call->ret_code = batch->refused_code;
	}
	return ret;
}

static int memctl_process_ranges(struct memctl_file *mfile, struct memctl_process_ranges *call)
{
	struct memctl_batch *batch = kvzalloc(sizeof(*batch), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!batch)
		return -ENOMEM;
	batch->mfile = mfile;
	batch->call = call;
	ret = memctl_classify(batch);
	if (ret)
		goto out_free;

	batch->mm = memctl_get_mm(call->pidfd);
	if (IS_ERR(batch->mm)) {
		ret = PTR_ERR(batch->mm);
		goto out_free;
	}
	if (batch->kind == MEMCTL_HOLDS)
		ret = memctl_held_bind(mfile, batch->mm);
	if (!ret)
		ret = memctl_gather(batch);
	mmput(batch->mm);

out_free:
	kvfree(batch);
	return ret;
}

/**
 * memctl_process_ioctl() - MEMCTL_IOCTL_PROCESS_RANGES
 * @mfile: the open file
 * @user: the caller's structure
 *
 * Return: 0 or a negative errno.
 */
int memctl_process_ioctl(struct memctl_file *mfile, struct memctl_process_ranges __user *user)
{
	struct memctl_process_ranges call;
	int ret;

	if (copy_from_user(&call, user, sizeof(call)))
		return -EFAULT;
	if (call.size != sizeof(call))
		return -EINVAL;
	if (call.count > SIZE_MAX / sizeof(struct memctl_range))
		return -EFAULT;

	call.done = 0;
	call.ret_errno = 0;
	call.ret_code = 0;
	ret = memctl_process_ranges(mfile, &call);

	if (copy_to_user(user, &call, sizeof(call)))
		return -EFAULT;
	return ret;
}
