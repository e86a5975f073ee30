// SPDX-License-Identifier: GPL-2.0
/*
 * memctl for the rest of the kernel, and one function on many ranges
 *
 * A device of protocol 1.1 takes up to MEMCTL_LIST_RANGES ranges in one request
 * and may stop before the end to bound its time (protocol, "Lists of ranges");
 * then the rest is asked for. A device of protocol 1.0 gets a request for each
 * range. What callers are promised: protocol, "Guest-physical ranges" and
 * protocol, "Kernel call".
 */
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memctl_device.h"

static_assert(sizeof(struct memctl_range) == 16);
static_assert(sizeof(struct memctl_ranges) == 56);

/* One range by a request of its own. */
static int memctl_single(u64 func_code, const struct memctl_range *range, u64 arg,
			 struct memctl_buf *answer)
{
	int ret;

	answer->call.func_code = func_code;
	answer->call.addr = range->addr;
	answer->call.length = range->length;
	answer->call.arg = arg;
	ret = memctl_request(answer);
	if (!ret)
		answer->ret.ret_value = !answer->ret.ret_errno;
	return ret;
}

/* An answer that counts what can't be is no answer. */
static bool memctl_list_answer_valid(const struct memctl_vmm_ret *ret, unsigned int count)
{
	if (ret->ret_errno)
		return ret->ret_value < count;
	return ret->ret_value && ret->ret_value <= count;
}

/*
 * One request for the first of @count ranges, or as many of them as it will take.
 * The answer's ret_value counts those that were carried out.
 */
static int memctl_some_ranges(u64 func_code, const struct memctl_range *ranges,
			      unsigned int count, u64 arg, struct memctl_buf *answer)
{
	int ret;

	count = min_t(unsigned int, count, MEMCTL_LIST_RANGES);
	ret = memctl_request_list(func_code, ranges, count, arg, answer);
	if (ret == -EOPNOTSUPP)
		return memctl_single(func_code, ranges, arg, answer);
	if (ret)
		return ret;

	/* The function may be unknown, or lists are: the guest may have moved. */
	if (answer->ret.ret_errno == EOPNOTSUPP && !answer->ret.ret_value) {
		ret = memctl_single(func_code, ranges, arg, answer);
		if (!ret && answer->ret.ret_errno != EOPNOTSUPP)
			memctl_forget_lists();
		return ret;
	}
	return memctl_list_answer_valid(&answer->ret, count) ? 0 : -EIO;
}

/**
 * memctl_ranges() - carry out a function on ranges, in order
 * @func_code: what to do to each
 * @ranges: guest physical ranges
 * @count: their number
 * @arg: argument of the function
 * @done: receives how many were carried out in full, whatever is returned
 * @answer: receives the answer for range number @done if that failed, else for
 *	    the last; ret_value is @done
 *
 * Process context. Return: 0 if the device answered, else as memctl_request().
 */
int memctl_ranges(u64 func_code, const struct memctl_range *ranges, unsigned int count,
		  u64 arg, unsigned int *done, struct memctl_buf *answer)
{
	int ret;

	might_sleep();
	memset(answer, 0, sizeof(*answer));
	for (*done = 0; *done < count;) {
		ret = memctl_some_ranges(func_code, ranges + *done, count - *done, arg, answer);
		if (ret)
			return ret;
		*done += answer->ret.ret_value;
		if (answer->ret.ret_errno)
			break;
		cond_resched();
	}
	answer->ret.ret_value = *done;
	return 0;
}

/**
 * memctl_vmm_call() - make a request from the kernel
 * @func_code: one of the MEMCTL_* function codes
 * @addr: guest physical address, in units of the host's page
 * @length: bytes, in units of the host's page
 * @arg: number for MEMCTL_SET_VMA_ANON_NAME, otherwise 0
 * @buf: receives the answer
 *
 * Any context but NMI; interrupts are disabled while the host works, which
 * takes the longer the more memory @length covers.
 *
 * Return: 0 if the device answered: the outcome is in @buf. -EINVAL without a
 * device, -EIO if it did not answer, -EOPNOTSUPP in an NMI.
 */
long memctl_vmm_call(__u64 func_code, __u64 addr, __u64 length, __u64 arg,
		     struct memctl_buf *buf)
{
	struct memctl_buf request = {
		.call = {
			.func_code = func_code,
			.addr = addr,
			.length = length,
			.arg = arg,
		},
	};
	int ret = memctl_request(&request);

	if (ret)
		return ret == -ENODEV ? -EINVAL : ret;

	*buf = request;
	return 0;
}
EXPORT_SYMBOL_GPL(memctl_vmm_call);

/**
 * memctl_vmm_ranges() - make requests for many ranges from the kernel
 * @func_code: one of the MEMCTL_* function codes but MEMCTL_INFO
 * @ranges: guest physical ranges, in units of the host's page
 * @count: number of @ranges
 * @arg: number for MEMCTL_SET_VMA_ANON_NAME, otherwise 0
 * @done: receives how many were carried out in full, in order
 * @answer: receives the answer; its ret_errno is that of range number @done
 *
 * Process context; sleeps between requests, and interrupts are disabled while
 * the host works on one of them. A device of protocol 1.1 takes up to
 * MEMCTL_LIST_RANGES ranges in one.
 *
 * Return: 0 if the device answered: the outcome is in @done and @answer. -EINVAL
 * for MEMCTL_INFO or without a device, -EIO if it did not answer.
 */
long memctl_vmm_ranges(__u64 func_code, const struct memctl_range *ranges,
		       unsigned int count, __u64 arg, unsigned int *done,
		       struct memctl_buf *answer)
{
	int ret;

	*done = 0;
	if (func_code == MEMCTL_INFO || func_code & MEMCTL_LIST)
		return -EINVAL;

	ret = memctl_ranges(func_code, ranges, count, arg, done, answer);
	return ret == -ENODEV ? -EINVAL : ret;
}
EXPORT_SYMBOL_GPL(memctl_vmm_ranges);

/* All ranges that the caller names, a list's worth at a time. */
static int memctl_user_ranges(struct memctl_ranges *call, struct memctl_range *ranges)
{
	const struct memctl_range __user *user = u64_to_user_ptr(call->ranges);
	struct memctl_buf answer;
	unsigned int count, done;
	int ret;

	while (call->done < call->count) {
		count = min_t(u64, call->count - call->done, MEMCTL_LIST_RANGES);
		if (copy_from_user(ranges, user + call->done, count * sizeof(*ranges)))
			return -EFAULT;

		ret = memctl_ranges(call->func_code, ranges, count, call->arg, &done, &answer);
		call->done += done;
		if (ret)
			return ret;
		call->ret_errno = answer.ret.ret_errno;
		call->ret_code = answer.ret.ret_code;
		if (call->ret_errno || signal_pending(current))
			break;
	}
	return 0;
}

/**
 * memctl_ranges_ioctl() - MEMCTL_IOCTL_RANGES
 * @user: the caller's structure
 *
 * Return: 0 or a negative errno.
 */
int memctl_ranges_ioctl(struct memctl_ranges __user *user)
{
	struct memctl_range *ranges;
	struct memctl_ranges call;
	int ret;

	if (copy_from_user(&call, user, sizeof(call)))
		return -EFAULT;
	if (call.size != sizeof(call) || call.reserved ||
	    call.func_code == MEMCTL_INFO || call.func_code & MEMCTL_LIST)
		return -EINVAL;
	if (call.count > SIZE_MAX / sizeof(*ranges))
		return -EFAULT;

	ranges = kmalloc_array(MEMCTL_LIST_RANGES, sizeof(*ranges), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;

	call.done = 0;
	call.ret_errno = 0;
	call.ret_code = 0;
	ret = memctl_user_ranges(&call, ranges);
	kfree(ranges);

	if (copy_to_user(user, &call, sizeof(call)))
		return -EFAULT;
	return ret;
}
