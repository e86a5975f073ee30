// SPDX-License-Identifier: GPL-2.0
/*
 * memctl channels: connecting, disconnecting, and the request itself
 *
 * A request is one store to the device, made with interrupts disabled on a
 * buffer that belongs to this CPU alone. No lock is held over the VM exit: the
 * region is an RCU read section, and whoever wants the device quiet takes the
 * pointer to it away and waits for a grace period.
 */
#include <linux/hardirq.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "memctl_device.h"

/* A power of two, which makes kmalloc() align by it: never across a page. */
#define MEMCTL_WIRE_ALLOC	SZ_64

static_assert(sizeof(struct memctl_wire) == 32);
static_assert(sizeof(struct memctl_buf) == sizeof(struct memctl_wire));
/* Naturally aligned too: a list never crosses a page. */
static_assert(MEMCTL_LIST_RANGES * sizeof(struct memctl_wire_range) == SZ_4K);

/* The connected device, NULL while there is none. */
static struct memctl_device __rcu *memctl_active;

static int memctl_transport(struct memctl_device *mdev, u32 command, u32 expected)
{
	writel(command, mdev->regs + MEMCTL_REG_COMMAND);

	return readl(mdev->regs + MEMCTL_REG_COMMAND) == expected ? 0 : -EIO;
}

static int memctl_register_channel(struct memctl_device *mdev,
				   struct memctl_channel *channel)
{
	int ret;

	lo_hi_writeq(virt_to_phys(channel->wire), mdev->regs + MEMCTL_REG_BUF_PHYS_ADDR);
	ret = memctl_transport(mdev, MEMCTL_TRANSPORT_REGISTER, MEMCTL_TRANSPORT_ACK);
	if (ret)
		return ret;

	channel->command = readl(mdev->regs + MEMCTL_REG_BUF_PHYS_ADDR);
	return 0;
}

/*
 * One request and its answer; interrupts are disabled. Returns false if the
 * buffer is as it was, which an unanswered request leaves it.
 */
static bool memctl_exchange(struct memctl_device *mdev, struct memctl_channel *channel,
			    const struct memctl_wire *request, struct memctl_wire *answer)
{
	*channel->wire = *request;
	/* Orders the stores above before itself, and is complete when it retires. */
	writel(channel->command, mdev->regs + MEMCTL_REG_COMMAND);
	/* The answer is read after the store, on an SMP host under a UP guest too. */
	virt_mb();
	*answer = *channel->wire;

	return memcmp(answer, request, sizeof(*answer));
}

/*
 * MEMCTL_INFO ignores the other fields, so they hold what no answer can: a
 * page size of all ones. Always tells whether the device answers.
 */
static bool memctl_exchange_info(struct memctl_device *mdev,
				 struct memctl_channel *channel,
				 struct memctl_wire *answer)
{
	struct memctl_wire request;

	memset(&request, 0xff, sizeof(request));
	request.word[0] = cpu_to_le64(MEMCTL_INFO);

	return memctl_exchange(mdev, channel, &request, answer);
}

static void memctl_decode_ret(const struct memctl_wire *wire, struct memctl_vmm_ret *ret)
{
	u64 result = le64_to_cpu(wire->word[0]);

	ret->ret_errno = lower_32_bits(result);
	ret->ret_code = upper_32_bits(result);
	ret->ret_value = le64_to_cpu(wire->word[1]);
	ret->arg0 = le64_to_cpu(wire->word[2]);
	ret->arg1 = le64_to_cpu(wire->word[3]);
}

static void memctl_decode_info(const struct memctl_wire *wire, struct memctl_vmm_info *info)
{
	u64 result = le64_to_cpu(wire->word[0]);
	u64 version = le64_to_cpu(wire->word[2]);

	info->ret_errno = lower_32_bits(result);
	info->ret_code = upper_32_bits(result);
	info->big_endian = le64_to_cpu(wire->word[1]);
	info->major_version = lower_32_bits(version);
	info->minor_version = upper_32_bits(version);
	info->page_size = le64_to_cpu(wire->word[3]);
}

/* On this CPU's channel. */
static bool memctl_ask_info(struct memctl_device *mdev, struct memctl_wire *answer)
{
	unsigned long flags;
	bool answered;

	local_irq_save(flags);
	answered = memctl_exchange_info(mdev, this_cpu_ptr(mdev->channels), answer);
	local_irq_restore(flags);

	return answered;
}

static int memctl_read_info(struct memctl_device *mdev)
{
	struct memctl_vmm_info *info = &mdev->info.info;
	struct memctl_wire answer;

	if (!memctl_ask_info(mdev, &answer)) {
		dev_err(mdev->dev, "device does not answer\n");
		return -EIO;
	}

	memctl_decode_info(&answer, info);
	if (info->ret_errno || info->ret_code) {
		dev_err(mdev->dev, "INFO failed with errno %u, code %u\n",
			info->ret_errno, info->ret_code);
		return -EIO;
	}
	if (info->major_version != MEMCTL_MAJOR_VERSION) {
		dev_err(mdev->dev, "protocol version %u.%u, this driver speaks %u\n",
			info->major_version, info->minor_version, MEMCTL_MAJOR_VERSION);
		return -EPROTONOSUPPORT;
	}
	if (!is_power_of_2(info->page_size) ||
	    info->page_size < SZ_4K || info->page_size > SZ_1G) {
		dev_err(mdev->dev, "host page size %llu makes no sense; another dialect?\n",
			info->page_size);
		return -EPROTO;
	}
	WRITE_ONCE(mdev->lists, info->minor_version >= 1);
	return 0;
}

/**
 * memctl_connect() - connect every possible CPU and publish the device
 * @mdev: the device, not published
 *
 * On failure the caller disconnects. Return: 0 or a negative errno.
 */
int memctl_connect(struct memctl_device *mdev)
{
	unsigned int cpu;
	int ret;

	/* Until the device has confirmed a DISCONNECT it may know our buffers. */
	mdev->connected = true;

	ret = memctl_transport(mdev, MEMCTL_TRANSPORT_RESET, MEMCTL_TRANSPORT_ACK);
	if (ret) {
		dev_err(mdev->dev, "RESET refused\n");
		return ret;
	}

	for_each_possible_cpu(cpu) {
		ret = memctl_register_channel(mdev, per_cpu_ptr(mdev->channels, cpu));
		if (ret) {
			dev_err(mdev->dev, "REGISTER refused for CPU %u\n", cpu);
			return ret;
		}
	}

	ret = memctl_transport(mdev, MEMCTL_TRANSPORT_READY, MEMCTL_TRANSPORT_ACK);
	if (ret) {
		dev_err(mdev->dev, "READY refused\n");
		return ret;
	}

	ret = memctl_read_info(mdev);
	if (ret)
		return ret;

	rcu_assign_pointer(memctl_active, mdev);
	return 0;
}

/**
 * memctl_disconnect() - wait for requests in progress and disconnect
 * @mdev: the device, published or not
 *
 * Afterwards requests fail. Whether the device let go of the buffers is in
 * @mdev->connected.
 */
void memctl_disconnect(struct memctl_device *mdev)
{
	if (rcu_access_pointer(memctl_active) == mdev) {
		RCU_INIT_POINTER(memctl_active, NULL);
		synchronize_rcu();
	}

	if (!mdev->connected)
		return;

	mdev->connected = memctl_transport(mdev, MEMCTL_TRANSPORT_DISCONNECT,
					   MEMCTL_TRANSPORT_ERROR);
	if (mdev->connected)
		dev_err(mdev->dev, "DISCONNECT not confirmed\n");
}

/**
 * memctl_answers() - whether the device still knows our channels
 * @mdev: the device
 *
 * Return: true if it answers an INFO on this CPU's channel.
 */
bool memctl_answers(struct memctl_device *mdev)
{
	struct memctl_wire answer;

	return memctl_ask_info(mdev, &answer);
}

static void memctl_free_channels(void *data)
{
	struct memctl_device *mdev = data;
	unsigned int cpu;

	/* Better lost than written to by the device when they are another's. */
	if (mdev->connected) {
		dev_err(mdev->dev, "keeping the request buffers of a connected device\n");
		return;
	}

	for_each_possible_cpu(cpu) {
		kfree(per_cpu_ptr(mdev->channels, cpu)->wire);
		kfree(per_cpu_ptr(mdev->channels, cpu)->list);
	}
}

/**
 * devm_memctl_alloc_channels() - channel, buffer and list for each possible CPU
 * @mdev: the device
 *
 * Return: 0 or a negative errno.
 */
int devm_memctl_alloc_channels(struct memctl_device *mdev)
{
	struct memctl_channel *channel;
	unsigned int cpu;
	int ret;

	mdev->channels = devm_alloc_percpu(mdev->dev, struct memctl_channel);
	if (!mdev->channels)
		return -ENOMEM;

	ret = devm_add_action(mdev->dev, memctl_free_channels, mdev);
	if (ret)
		return ret;

	for_each_possible_cpu(cpu) {
		channel = per_cpu_ptr(mdev->channels, cpu);
		channel->wire = kzalloc_node(MEMCTL_WIRE_ALLOC, GFP_KERNEL, cpu_to_node(cpu));
		channel->list = kzalloc_node(SZ_4K, GFP_KERNEL, cpu_to_node(cpu));
		if (!channel->wire || !channel->list)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Interrupts are disabled. An answer may have the very bytes of its request
 * (function code 22 on nothing, answered EINVAL); what tells it from no answer
 * is whether the channel answers an INFO now.
 */
static int memctl_request_on(struct memctl_device *mdev, struct memctl_buf *buf)
{
	struct memctl_channel *channel = this_cpu_ptr(mdev->channels);
	struct memctl_wire request = {
		.word = {
			cpu_to_le64(buf->call.func_code),
			cpu_to_le64(buf->call.addr),
			cpu_to_le64(buf->call.length),
			cpu_to_le64(buf->call.arg),
		},
	};
	struct memctl_wire answer, info;

	if (!memctl_exchange(mdev, channel, &request, &answer) &&
	    !memctl_exchange_info(mdev, channel, &info))
		return -EIO;

	memctl_decode_ret(&answer, &buf->ret);
	return 0;
}

/**
 * memctl_request() - make a request
 * @buf: the request; on success its answer
 *
 * Any context but NMI. Return: 0 if the device answered, -ENODEV if there is
 * none, -EIO if it did not answer, -EOPNOTSUPP in an NMI.
 */
int memctl_request(struct memctl_buf *buf)
{
	struct memctl_device *mdev;
	unsigned long flags;
	int ret = 0;

	/* An NMI may have come in the middle of a request on this CPU. */
	if (in_nmi())
		return -EOPNOTSUPP;

	local_irq_save(flags);
	mdev = rcu_dereference_sched(memctl_active);
	if (!mdev)
		ret = -ENODEV;
	else if (buf->call.func_code == MEMCTL_INFO)
		*buf = mdev->info;
	else
		ret = memctl_request_on(mdev, buf);
	local_irq_restore(flags);

	if (ret == -EIO)
		pr_err_ratelimited("memctl: request not answered\n");
	return ret;
}

/**
 * memctl_request_list() - make one request for a list of ranges
 * @func_code: what to do to each
 * @ranges: the ranges, copied to this CPU's list with interrupts disabled
 * @count: their number, at most MEMCTL_LIST_RANGES
 * @arg: argument of the function
 * @buf: receives the answer
 *
 * Any context but NMI. Return: as memctl_request(), and -EOPNOTSUPP from a device
 * that takes no lists.
 */
int memctl_request_list(u64 func_code, const struct memctl_range *ranges,
			unsigned int count, u64 arg, struct memctl_buf *buf)
{
	struct memctl_wire_range *list;
	struct memctl_device *mdev;
	unsigned long flags;
	unsigned int i;
	int ret;

	if (in_nmi())
		return -EOPNOTSUPP;

	local_irq_save(flags);
	mdev = rcu_dereference_sched(memctl_active);
	if (!mdev) {
		ret = -ENODEV;
	} else if (!READ_ONCE(mdev->lists)) {
		ret = -EOPNOTSUPP;
	} else {
		list = this_cpu_ptr(mdev->channels)->list;
		for (i = 0; i < count; i++) {
			list[i].addr = cpu_to_le64(ranges[i].addr);
			list[i].length = cpu_to_le64(ranges[i].length);
		}
		buf->call.func_code = func_code | MEMCTL_LIST;
		buf->call.addr = virt_to_phys(list);
		buf->call.length = count * sizeof(*list);
		buf->call.arg = arg;
		ret = memctl_request_on(mdev, buf);
	}
	local_irq_restore(flags);

	if (ret == -EIO)
		pr_err_ratelimited("memctl: request not answered\n");
	return ret;
}

/**
 * memctl_forget_lists() - make single requests from now on
 *
 * For a guest that has moved to a device of protocol 1.0.
 */
void memctl_forget_lists(void)
{
	struct memctl_device *mdev;

	rcu_read_lock();
	mdev = rcu_dereference(memctl_active);
	if (mdev)
		WRITE_ONCE(mdev->lists, false);
	rcu_read_unlock();
}
