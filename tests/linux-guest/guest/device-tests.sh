# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# The tests of guests with an unusual device: two of them, or a broken one.

pci_driver=/sys/bus/pci/drivers/memctl

# memctl_functions: the folders of all PCI functions with the device's identity
memctl_functions() {
	for function in /sys/bus/pci/devices/*; do
		if [ "$(cat "$function/vendor")" = 0x1ae0 ] && [ "$(cat "$function/device")" = 0x0087 ]; then
			echo "$function"
		fi
	done
}

# bind FUNCTION: prints the error if there is one
bind() {
	(echo "${1##*/}" > $pci_driver/bind) 2>&1
}

unbind() {
	echo "${1##*/}" > $pci_driver/unbind
}

# A request that goes all the way: INFO would be answered by the driver.
answers() {
	memctl lock --range 0x1000+4K > /dev/null && memctl unlock --range 0x1000+4K > /dev/null
}

# host_counter DEVICE NAME, as the VMM tells it
host_counter() {
	echo "@host counter $1 $2" > /dev/console
	read -r answer < /dev/console
	echo "${answer#@}"
}

# As often as it takes for a second not to end in between.
pages_out_once() {
	before=$(host_counter memctl1 refused_PAGEOUT_BUDGET)
	for _ in 1 2 3 4 5 6 7 8 9; do
		if memctl pageout --range 0x1000+8K 2>&1 |
			grep -q 'Resource temporarily unavailable (the guest.s budget of memory to page out'; then
			[ "$(host_counter memctl1 refused_PAGEOUT_BUDGET)" = $((before + 1)) ]
			return
		fi
	done
	return 1
}

test_second_device() {
	# shellcheck disable=SC2046 # words
	set -- $(memctl_functions)
	[ $# = 2 ] && [ -e "$1/driver" ] && [ ! -e "$2/driver" ]
	result $? "of two devices the first is bound and the second is not"
	bind "$2" | grep -q 'Device or resource busy' && [ ! -e "$2/driver" ]
	result $? "the second is refused with EBUSY while the first is bound"
	requests=$(host_counter memctl requests_MLOCK)
	answers && [ "$(host_counter memctl requests_MLOCK)" = $((requests + 1)) ]
	result $? "the first goes on answering"
	[ "$(host_counter memctl1 channels)" = 0 ] && [ "$(host_counter memctl1 requests_INFO)" = 0 ]
	result $? "the second was not touched"

	unbind "$1" && [ ! -e /dev/memctl ]
	result $? "the first is unbound, and its device node has gone"
	[ "$(host_counter memctl channels)" = 0 ]
	result $? "it knows no buffer any more"
	[ -z "$(bind "$2")" ] && answers && [ "$(host_counter memctl1 requests_MLOCK)" = 1 ]
	result $? "now the second can be bound and answers"
	pages_out_once
	result $? "the second, which may page out 8 KiB a second, answers the next 8 KiB with EAGAIN and counts that"
	bind "$1" | grep -q 'Device or resource busy' && [ ! -e "$1/driver" ] && answers
	result $? "the first is refused with EBUSY meanwhile, and the second goes on answering"
	unbind "$2" && [ -z "$(bind "$1")" ] && answers && [ ! -e "$2/driver" ]
	result $? "they change places again"
}

# absent FUNCTION: nothing of a failed probe is left
absent() {
	[ ! -e "$1/driver" ] && [ ! -e /dev/memctl ] && [ ! -e /sys/class/misc/memctl ] &&
		! grep -q memctl /proc/iomem
}

# refuses FUNCTION ERROR LOG DEVICE
refuses() {
	bind "$1" | grep -q "$2"
	result $? "a device that $4 is refused: $2"
	absent "$1" && dmesg | grep -q "memctl.*$3"
	result $? "nothing of it is left, and the kernel's log says why"
}

# three_ranges SINGLES LISTS: what the device is asked for three ranges
three_ranges() {
	singles=$(host_counter memctl singles)
	lists=$(host_counter memctl lists)
	memctl lock --range 0x1000+4K --range 0x3000+4K --range 0x5000+4K > /dev/null &&
		[ $(($(host_counter memctl singles) - singles)) = "$1" ] &&
		[ $(($(host_counter memctl lists) - lists)) = "$2" ]
}

# requests_for_ranges FUNCTION: devices of protocol 1.0, of 1.0 behind the INFO of
# 1.1, as after a move to an older host, and of 1.1.
requests_for_ranges() {
	memctl info | grep -q ' 1.0$' && three_ranges 3 0
	result $? "a device of protocol 1.0 gets a request for each range, and no list"
	unbind "$1" && bind "$1"
	memctl info | grep -q ' 1.1$' && three_ranges 3 1
	result $? "one that knows no list after all gets one, then a request for each range"
	three_ranges 3 0
	result $? "and no list again"
	unbind "$1" && bind "$1"
	three_ranges 0 1
	result $? "a device of protocol 1.1 gets one list for all"
}

# The device breaks in another way each time (broken/plugin.c).
test_broken_device() {
	function=$(memctl_functions)
	load_module && [ -e "$function/driver" ]
	result $? "a device that answers at first is bound"
	guest-test silence
	unbind "$function" && absent "$function"
	result $? "the silent device is unbound and leaves nothing"
	refuses "$function" 'Input/output error' 'device does not answer' 'answers no request'
	! dmesg | grep 'keeping the request buffers'
	result $? "its buffers are free again"
	refuses "$function" 'Input/output error' 'RESET refused' 'answers no transport command'
	dmesg | grep -q 'keeping the request buffers'
	result $? "but its buffers are kept, which it may still write to"
	refuses "$function" 'Input/output error' 'INFO failed with errno 95' 'fails INFO'
	refuses "$function" 'Protocol not supported' 'protocol version 2.0' 'speaks version 2'
	refuses "$function" 'Protocol error' 'another dialect' 'speaks another dialect'
	rmmod memctl && [ ! -e $pci_driver ]
	result $? "the module goes"
	load_module && [ -e "$function/driver" ] && answers
	result $? "and comes back, and a sound device works"
	requests_for_ranges "$function"
}
