#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boots.sh bare-metal|linux: whether this machine's KVM boots that kind of
# guest. A /dev/kvm alone does not mean that it can, so one is booted: the
# reference VMM, out/memctl-vmm, has to be built. MEMCTL_EMULATED=1 in the
# environment is a no. The answer holds as long as out/host/boots-KIND is there
# and this machine does not boot anew.
# No pipefail: what the guest has said counts, however it ended.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
out=$(cd "$here/../.." && pwd -P)/out
readonly limit_seconds=20
kind=$1
answer=$out/host/boots-$kind

[ "${MEMCTL_EMULATED:-0}" = 0 ] || exit 1
[ -r /dev/kvm ] && [ -w /dev/kvm ] || exit 1

# boot KERNEL COMMAND-LINE VMM-OPTION...: what the guest says on its console. Part of a pipeline: the shell says nothing
# of a process there that is killed.
boot() {
	local kernel=$1 command_line=$2
	shift 2
	exec timeout -s KILL "$limit_seconds" "$out/memctl-vmm" --kernel "$kernel" --cmdline "$command_line" \
		--cpus boot=1 --memory size=256M --serial tty --console off \
		--memctl "plugin=$out/libmemctl.so" "$@" < /dev/null 2>&1
}

ask() {
	case $kind in
	bare-metal)
		boot "$out/selftest.elf" "cpus=1 mode=tap" | grep -q '^ok 1 '
		;;
	linux)
		boot "$("$here/fetch.sh" 6.1)"/boot/vmlinuz-* \
			"console=ttyS0 quiet noxsave no_timer_check mitigations=off panic=-1 probe" \
			--initramfs "$("$here/image.sh")" | grep -q 'memctl: Linux boots'
		;;
	esac
}

boot_id=$(cat /proc/sys/kernel/random/boot_id)
if ! [ -s "$answer" ] || [ "$(sed -n 1p "$answer")" != "$boot_id" ]; then
	mkdir -p "$out/host"
	if ask; then boots=yes; else boots=no; fi
	printf '%s\n' "$boot_id" "$boots" > "$answer.$$"
	mv "$answer.$$" "$answer"
fi
[ "$(sed -n 2p "$answer")" = yes ]
