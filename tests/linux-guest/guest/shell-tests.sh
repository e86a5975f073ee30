# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# The tests that load modules or run the memctl command, for init.

# result STATUS DESCRIPTION: one TAP line
result() {
	if [ "$1" = 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
	fi
}

load_module() {
	insmod /lib/modules/memctl.ko
}

test_module() {
	load_module
	result $? "the module loads"
	[ -c /dev/memctl ]
	result $? "/dev/memctl is there"
	bound=$(find /sys/bus/pci/drivers/memctl/ -name '*:*' | wc -l)
	[ "$bound" = 1 ]
	result $? "one PCI function is bound to it"
}

# test_reload TIMES
test_reload() {
	failed=0
	round=0
	while [ $round -lt "$1" ]; do
		rmmod memctl && [ ! -e /dev/memctl ] && load_module && [ -c /dev/memctl ] ||
			failed=$((failed + 1))
		round=$((round + 1))
	done
	[ $failed = 0 ]
	result $? "the module goes and comes back $1 times ($failed failed)"
	memctl info > /dev/null
	result $? "the device answers after the last time"
}

# reload [PARAMETERS]
reload() {
	rmmod memctl && insmod /lib/modules/memctl.ko "$@"
}

test_reporter() {
	enabled=/sys/class/misc/memctl/report_free/enabled
	reload report_free=1 && [ "$(cat $enabled)" = 1 ]
	result $? "report_free=1 switches reporting on when the module loads"
	rmmod memctl && insmod /lib/modules/other_reporter.ko && insmod /lib/modules/memctl.ko report_free=1
	result $? "the module loads with report_free=1 beside another reporter"
	[ "$(cat $enabled)" = 0 ] && memctl info > /dev/null
	result $? "and leaves reporting to that, the device working"
	! echo 1 2> /dev/null > $enabled
	result $? "reporting can't be switched on while the other one is there"
	rmmod other_reporter && echo 1 > $enabled && [ "$(cat $enabled)" = 1 ]
	result $? "it can when the other one has gone"
	reload && [ "$(cat $enabled)" = 0 ]
	result $? "without the parameter it is off again"
}

# Down to suspended devices and back, as the kernel's own test of that does.
test_suspend() {
	echo 1 > /sys/module/suspend/parameters/pm_test_delay
	echo devices > /sys/power/pm_test
	slept=0
	echo freeze > /sys/power/state || slept=1
	result $slept "the guest suspends its devices and resumes them"
	echo none > /sys/power/pm_test
	memctl info > /dev/null
	result $? "the device answers after it"
}

# The guest side's own test programs, which know nothing of the host.
test_programs() {
	for program in memctl-ioctl memctl-ioctl-32 memctl-ranges memctl-ranges-32 memctl-process memctl-hold memctl-race \
		memctl-purge memctl-key memctl-codes "memctl-tool /bin/memctl"; do
		[ -x "/bin/${program%% *}" ] || continue
		$program
		result $? "$program passes"
	done
}

# test_interrupts SECONDS: requests from interrupts in the middle of others
test_interrupts() {
	insmod /lib/modules/memctl_irq_test.ko
	result $? "the interrupt test loads"
	memctl-stress --seconds "$1"
	result $? "memctl-stress passes beside it"
	rmmod memctl_irq_test && dmesg | grep -q 'memctl_irq_test: ok'
	result $? "requests from interrupts got their own answers"
	echo "# $(dmesg | grep memctl_irq_test: | tail -n 1)"
}

# 6.12 itself now and then warns in sched_cpu_dying when a CPU goes offline, with
# the driver unloaded too, and after hibernation it restores an MSR (DE_CFG) that
# KVM does not let a guest write. Those blocks are not counted.
test_log() {
	dmesg | grep -E 'WRMSR to 0xc0011029|WARNING:|BUG:|Oops|Call Trace|general protection|UBSAN|stack-protector' |
		awk '/sched_cpu_dying|WRMSR to 0xc0011029/ { own = 1; next }
			own && /Call Trace/ { own = 0; next }
			{ print }' > /tmp/bad
	[ ! -s /tmp/bad ]
	result $? "the guest kernel's log has no warning"
	if [ -s /tmp/bad ]; then
		dmesg | grep -B 10 -A 20 -F "$(head -n 1 /tmp/bad)" | sed 's/^/# /'
	fi
}
