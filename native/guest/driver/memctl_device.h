/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMCTL_DEVICE_H
#define MEMCTL_DEVICE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/types.h>

#include <linux/memctl.h>

/* Register block in BAR 0: protocol, "Registers" */
#define MEMCTL_REG_BUF_PHYS_ADDR	0x0	/* w: buffer; r: channel's command */
#define MEMCTL_REG_COMMAND		0x8
#define MEMCTL_REGS_SIZE		0xc

/* Transport commands, and the answers to them: protocol, "Transport commands" */
#define MEMCTL_TRANSPORT_RESET		0x060FE6D2
#define MEMCTL_TRANSPORT_REGISTER	0x0E359539
#define MEMCTL_TRANSPORT_READY		0x0CA8D227
#define MEMCTL_TRANSPORT_DISCONNECT	0x030F5DA0
#define MEMCTL_TRANSPORT_ACK		0x03CF5196
#define MEMCTL_TRANSPORT_ERROR		0x01FBA249

#define MEMCTL_MAJOR_VERSION		1

/**
 * struct memctl_wire - a request or an answer as the device has it in memory
 *			(protocol, "Requests")
 * @word: the fields of struct memctl_buf in order; two u32 share a word, the
 *	  first in its low half
 */
struct memctl_wire {
	__le64 word[4];
};

/**
 * struct memctl_wire_range - an entry of a list as the device reads it
 *			      (protocol, "Lists of ranges")
 * @addr: guest physical address
 * @length: bytes
 */
struct memctl_wire_range {
	__le64 addr;
	__le64 length;
};

/**
 * struct memctl_channel - one CPU's way to the device
 * @wire: the buffer that the device reads and writes, alone in a cache line
 * @list: a page for the list of one request: MEMCTL_LIST_RANGES entries
 * @command: what to store to MEMCTL_REG_COMMAND; the device chose the number
 *
 * @wire and @list are touched with interrupts disabled on their CPU, by nobody
 * else while the device is published.
 */
struct memctl_channel {
	struct memctl_wire *wire;
	struct memctl_wire_range *list;
	u32 command;
};

/**
 * enum memctl_report_counter - what free page reporting counts
 * @MEMCTL_REPORT_RUNS: runs given back to the host
 * @MEMCTL_REPORT_BYTES: bytes in those runs
 * @MEMCTL_REPORT_SKIPPED: runs too short to be reported
 * @MEMCTL_REPORT_ERRORS: runs that the host refused
 * @MEMCTL_REPORT_COUNTERS: number of counters
 */
enum memctl_report_counter {
	MEMCTL_REPORT_RUNS,
	MEMCTL_REPORT_BYTES,
	MEMCTL_REPORT_SKIPPED,
	MEMCTL_REPORT_ERRORS,
	MEMCTL_REPORT_COUNTERS,
};

/**
 * struct memctl_reporting - state of free page reporting
 * @prdev: registration with the kernel
 * @lock: serialises switching on and off
 * @enabled: @prdev is registered; under @lock
 * @method: the function code that frees memory on this host, 0 while unknown
 * @canary: memory of ours that is discarded with each batch, to see what became
 *	    of it; allocated while @enabled
 * @canary_length: bytes in it: a page, or the host's page if that is larger
 * @token: what was written there last
 * @ranges: the batch that is being reported, and behind it the canary
 * @counter: by enum memctl_report_counter, since the device was bound
 *
 * From @method to @ranges all belongs to the reporting work while @enabled.
 */
struct memctl_reporting {
	struct page_reporting_dev_info prdev;
	struct mutex lock;	/* switching on and off */
	bool enabled;
	u64 method;
	u64 *canary;
	size_t canary_length;
	u64 token;
	struct memctl_range ranges[PAGE_REPORTING_CAPACITY + 1];
	atomic64_t counter[MEMCTL_REPORT_COUNTERS];
};

/**
 * struct memctl_device - the one device that this driver is bound to
 * @dev: the PCI function
 * @regs: BAR 0
 * @channels: one for each possible CPU
 * @connected: the device may write to the buffers of @channels
 * @info: answer to MEMCTL_INFO, read when connecting
 * @lists: the device takes a list of ranges in one request (protocol 1.1)
 * @misc: /dev/memctl
 * @reporting: free page reporting
 */
struct memctl_device {
	struct device *dev;
	void __iomem *regs;
	struct memctl_channel __percpu *channels;
	bool connected;
	struct memctl_buf info;
	bool lists;
	struct miscdevice misc;
	struct memctl_reporting reporting;
};

/* What may be in force on a frame. */
#define MEMCTL_LOCKED		BIT(0)
#define MEMCTL_PROTECTED	BIT(1)
#define MEMCTL_NAMED		BIT(2)
#define MEMCTL_EFFECT_BITS	3

/* File number of frames that can't be reverted, and so are never let go. */
#define MEMCTL_NOBODY		0

/**
 * struct memctl_file - an open /dev/memctl
 * @id: names it in what it holds; never MEMCTL_NOBODY
 * @mm: the process whose pages it holds, NULL until it held one
 * @charged: pages of them that count as locked by @mm
 */
struct memctl_file {
	unsigned int id;
	struct mm_struct *mm;
	unsigned long charged;
};

/* channel.c */
int devm_memctl_alloc_channels(struct memctl_device *mdev);
int memctl_connect(struct memctl_device *mdev);
void memctl_disconnect(struct memctl_device *mdev);
bool memctl_answers(struct memctl_device *mdev);
int memctl_request(struct memctl_buf *buf);
int memctl_request_list(u64 func_code, const struct memctl_range *ranges,
			unsigned int count, u64 arg, struct memctl_buf *buf);
void memctl_forget_lists(void);

/* ranges.c */
int memctl_ranges(u64 func_code, const struct memctl_range *ranges, unsigned int count,
		  u64 arg, unsigned int *done, struct memctl_buf *answer);
int memctl_ranges_ioctl(struct memctl_ranges __user *user);

/* pidfd.c */
struct mm_struct *memctl_get_mm(int pidfd);

/* process.c */
int memctl_process_ioctl(struct memctl_file *mfile, struct memctl_process_ranges __user *user);

/* effects.c */
unsigned int memctl_held_effect(u64 func_code, u64 arg);
unsigned int memctl_held_reverts(u64 func_code, u64 arg);
u64 memctl_reverting_function(unsigned int effect);

/* held.c */
int memctl_held_bind(struct memctl_file *mfile, struct mm_struct *mm);
int memctl_hold(struct memctl_file *mfile, u64 func_code, const struct memctl_range *ranges,
		unsigned int count, u64 arg, unsigned int *done, struct memctl_buf *answer);
void memctl_held_revert(struct memctl_file *mfile, unsigned int effect,
			const struct memctl_range *ranges, unsigned int count);
void memctl_held_release(struct memctl_file *mfile);
void memctl_held_revert_all(void);
bool memctl_held_any(void);
void memctl_unpin_ranges(const struct memctl_range *ranges, unsigned int count, bool dirty);

/* chrdev.c */
int devm_memctl_register_chrdev(struct memctl_device *mdev);

/* report.c */
extern const struct attribute_group memctl_reporting_group;
int devm_memctl_init_reporting(struct memctl_device *mdev);

#endif /* MEMCTL_DEVICE_H */
