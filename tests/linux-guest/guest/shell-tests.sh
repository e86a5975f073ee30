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
	driver=$(readlink /sys/bus/pci/devices/*/driver | grep memctl)
	[ "$(echo "$driver" | wc -w)" = 1 ]
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

test_log() {
	dmesg | grep -E 'WARNING:|BUG:|Oops|Call Trace|general protection|UBSAN|stack-protector' > /tmp/bad
	[ ! -s /tmp/bad ]
	result $? "the guest kernel's log has no warning"
	sed 's/^/# /' /tmp/bad | head -20
}
