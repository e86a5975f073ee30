// SPDX-License-Identifier: GPL-2.0
/*
 * memctl test: requests from interrupts, in the middle of others
 *
 * While loaded, all CPUs but one are interrupted over and over, and make requests
 * in the interrupt. Run memctl-stress beside it: neither side may get an answer
 * meant for the other. Unloading prints "memctl_irq_test: ok" or
 * "memctl_irq_test: FAILED", with the number of requests.
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/memctl.h>
#include <linux/module.h>
#include <linux/smp.h>

static atomic64_t interrupts;
static atomic64_t wrong;
static struct task_struct *interrupter;

/* Four requests that memctl-stress does not make, and what they must get. */
static bool irq_requests_right(void)
{
	struct memctl_buf answer;
	bool right;

	right = !memctl_vmm_call(0x10000, 0, 0, 0, &answer) &&
		answer.ret.ret_errno == EOPNOTSUPP;
	right &= !memctl_vmm_call(MEMCTL_MUNLOCK, 0, 0, 0, &answer) && !answer.ret.ret_errno;
	right &= !memctl_vmm_call(MEMCTL_MUNLOCK, 0, 1, 0, &answer) &&
		 answer.ret.ret_errno == EINVAL;
	right &= !memctl_vmm_call(MEMCTL_INFO, 0, 0, 0, &answer) &&
		 answer.info.major_version == 1;
	return right;
}

static void irq_request(void *unused)
{
	if (!irq_requests_right())
		atomic64_inc(&wrong);
	/* An idle or dying CPU runs this without having been interrupted. */
	if (in_hardirq())
		atomic64_inc(&interrupts);
}

static int irq_interrupt(void *unused)
{
	while (!kthread_should_stop()) {
		preempt_disable();
		smp_call_function(irq_request, NULL, 1);
		preempt_enable();
		usleep_range(100, 200);
	}
	return 0;
}

static int __init irq_test_init(void)
{
	if (num_online_cpus() < 2)
		return -ENODEV;

	interrupter = kthread_run(irq_interrupt, NULL, "memctl_irq_test");
	return PTR_ERR_OR_ZERO(interrupter);
}

static void __exit irq_test_exit(void)
{
	u64 count, bad;

	kthread_stop(interrupter);
	count = atomic64_read(&interrupts);
	bad = atomic64_read(&wrong);
	pr_info("memctl_irq_test: %s, %llu of %llu interrupts with a wrong answer\n",
		count && !bad ? "ok" : "FAILED", bad, count);
}

module_init(irq_test_init);
module_exit(irq_test_exit);

MODULE_DESCRIPTION("memctl test: requests from interrupts");
MODULE_AUTHOR("The memctl authors");
MODULE_LICENSE("GPL");
