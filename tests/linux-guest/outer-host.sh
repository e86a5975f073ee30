#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# outer-host.sh [-m MIB] [-g HUGEPAGES] [-t SECONDS] [-x FOLDER] COMMAND
#
# Runs COMMAND as root on an emulated host that has a KVM able to run Linux:
# QEMU's TCG emulates AMD SVM, and Debian's kernel makes a /dev/kvm of it. Its
# files are this machine's, read-only; /tmp and /run are empty and its own, and
# /run/exchange is FOLDER, to be written to. Prints what COMMAND prints and exits
# with its status, or 125 if there was none.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/out/linux-guest
memory=2304 hugepages=0 seconds=1200
exchange=
while getopts m:g:t:x: option; do
	case $option in
	m) memory=$OPTARG ;;
	g) hugepages=$OPTARG ;;
	t) seconds=$OPTARG ;;
	x) exchange=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

if [ -z "$exchange" ]; then
	exchange=$(mktemp -d)
	trap 'rm -rf "$exchange"' EXIT
fi
rm -f "$exchange/status"
{
	echo 'cd /tmp'
	echo 'export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
	echo "$*"
} > "$exchange/command"
echo "$hugepages" > "$exchange/hugepages"

# The host's first serial port is for its kernel, the second for COMMAND.
# XSAVES is what TCG lacks. On a busy machine the kernel measures the TSC wrong;
# the power-management timer is right. Debian's 6.12 does not survive as this
# host, so it is always 6.1. One processor: with two running guests at once, QEMU
# 7.2's emulation now and then ends a guest or the host itself.
status=0
timeout --foreground "$seconds" qemu-system-x86_64 \
	-machine q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off,graphics=off \
	-accel tcg,thread=multi,tb-size=512 -cpu EPYC,+svm,+npt,-xsaves \
	-smp 1 -m "$memory" -nodefaults -no-user-config -display none -no-reboot \
	-kernel "$out/vmlinuz-6.1" -initrd "$out/outer.img" \
	-append "console=ttyS0 quiet mitigations=off nokaslr clocksource=acpi_pm no_timer_check random.trust_cpu=on panic=-1" \
	-fsdev local,id=files,path=/,security_model=none,readonly=on,multidevs=remap \
	-device virtio-9p-pci,fsdev=files,mount_tag=files \
	-fsdev local,id=exchange,path="$exchange",security_model=none \
	-device virtio-9p-pci,fsdev=exchange,mount_tag=exchange \
	-serial "file:$exchange/outer.log" \
	-chardev stdio,id=terminal,signal=off -serial chardev:terminal \
	2> "$exchange/qemu.log" || status=$?

if [ ! -s "$exchange/status" ]; then
	echo "outer-host.sh: the emulated host ended early (QEMU: $status)" >&2
	tail -n 5 "$exchange/qemu.log" "$exchange/outer.log" >&2
	exit 125
fi
exit "$(cat "$exchange/status")"
