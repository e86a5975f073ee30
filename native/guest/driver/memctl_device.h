/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMCTL_DEVICE_H
#define MEMCTL_DEVICE_H

#include <linux/atomic.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/types.h>

#include <linux/memctl.h>

/* Register block in BAR 0 */
#define MEMCTL_REG_BUF_PHYS_ADDR	0x0	/* w: buffer; r: channel's command */
#define MEMCTL_REG_COMMAND		0x8
#define MEMCTL_REGS_SIZE		0xc

/* Transport commands, and the answers to them */
#define MEMCTL_TRANSPORT_RESET		0x060FE6D2
#define MEMCTL_TRANSPORT_REGISTER	0x0E359539
#define MEMCTL_TRANSPORT_READY		0x0CA8D227
#define MEMCTL_TRANSPORT_DISCONNECT	0x030F5DA0
#define MEMCTL_TRANSPORT_ACK		0x03CF5196
#define MEMCTL_TRANSPORT_ERROR		0x01FBA249

#define MEMCTL_MAJOR_VERSION		1

/**
 * struct memctl_wire - a request or an answer as the device has it in memory
 * @word: the fields of struct memctl_buf in order; two u32 share a word, the
 *	  first in its low half
 */
struct memctl_wire {
	__le64 word[4];
};

/**
 * struct memctl_channel - one CPU's way to the device
 * @wire: the buffer that the device reads and writes, alone in a cache line.
 *	  Touched with interrupts disabled on its CPU, by nobody else while the
 *	  device is published.
 * @command: what to store to MEMCTL_REG_COMMAND; the device chose the number
 */
struct memctl_channel {
	struct memctl_wire *wire;
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
 * @method: the function code that frees memory on this host, 0 until one has.
 *	    Belongs to the reporting work while @enabled.
 * @counter: by enum memctl_report_counter, since the device was bound
 */
struct memctl_reporting {
	struct page_reporting_dev_info prdev;
	struct mutex lock;	/* switching on and off */
	bool enabled;
	u64 method;
	atomic64_t counter[MEMCTL_REPORT_COUNTERS];
};

/**
 * struct memctl_device - the one device that this driver is bound to
 * @dev: the PCI function
 * @regs: BAR 0
 * @channels: one for each possible CPU
 * @connected: the device may write to the buffers of @channels
 * @info: answer to MEMCTL_INFO, read when connecting
 * @misc: /dev/memctl
 * @reporting: free page reporting
 */
struct memctl_device {
	struct device *dev;
	void __iomem *regs;
	struct memctl_channel __percpu *channels;
	bool connected;
	struct memctl_buf info;
	struct miscdevice misc;
	struct memctl_reporting reporting;
};

/* channel.c */
int devm_memctl_alloc_channels(struct memctl_device *mdev);
int memctl_connect(struct memctl_device *mdev);
void memctl_disconnect(struct memctl_device *mdev);
int memctl_request(struct memctl_buf *buf);

/* chrdev.c */
int devm_memctl_register_chrdev(struct memctl_device *mdev);

/* report.c */
extern const struct attribute_group memctl_reporting_group;
int devm_memctl_init_reporting(struct memctl_device *mdev);

#endif /* MEMCTL_DEVICE_H */
