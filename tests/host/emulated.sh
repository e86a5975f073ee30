#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# emulated.sh KERNEL MIB HUGEPAGES SECONDS FOLDER COMMAND...: what with-kvm.sh
# does where this machine's KVM does not do: QEMU's TCG emulates AMD SVM, and
# the kernel makes a /dev/kvm of it. No QEMU outlives this script, nor the
# process MEMCTL_OWNER if the environment names one. MEMCTL_PASSTHROUGH is a file
# that the host has as an NVMe disk behind an IOMMU, for VFIO.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/debian.sh"
kernel=$1 memory=$2 hugepages=$3 seconds=$4 folder=$5
shift 5

need_programs qemu-system-x86_64 qemu-system-x86 setpriv util-linux
case $kernel in
debian) kernel=$(echo "$("$here/fetch.sh" 6.1)"/boot/vmlinuz-*) ;;
own) kernel=$("$here/kernel.sh") ;;
esac
image=$("$here/image.sh")

control=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # a trap calls it
clean_up() {
	if [ ${#pids[@]} -gt 0 ]; then
		kill -KILL "${pids[@]}" 2> /dev/null || true
		wait "${pids[@]}" 2> /dev/null || true
	fi
	rm -rf "$control"
}
trap clean_up EXIT
trap 'exit 143' TERM INT HUP

# The terminal, if there is one, is COMMAND's.
input=/dev/null rows=24 columns=80
if [ -t 0 ]; then
	input=/dev/ttyS1
	read -r rows columns < <(stty size)
fi
printf '%s=%q\n' folder "$folder" hugepages "$hugepages" input "$input" rows "$rows" columns "$columns" \
	> "$control/settings"
{
	printf 'cd %q 2> /dev/null || cd /tmp\n' "$PWD"
	echo 'export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
	printf 'export TERM=%q\n' "${TERM:-dumb}"
	for name in ${!MEMCTL_*}; do
		printf 'export %s=%q\n' "$name" "${!name}"
	done
	printf 'exec'
	printf ' %q' "$@"
	echo
} > "$control/command"

# shared TAG PATH [,OPTION]: a folder of this machine for the emulated host
shared=()
share() {
	shared+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=none${3:-}"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}
share files / ,readonly=on,multidevs=remap
share control "$control"
mkfifo "$control/heartbeat.in"
ln -s /dev/null "$control/heartbeat.out"
[ -z "$folder" ] || share folder "$folder"

passthrough=() append=
if [ -n "${MEMCTL_PASSTHROUGH:-}" ]; then
	passthrough=(-device "intel-iommu,intremap=on,aw-bits=48"
		-drive "if=none,id=disk,format=raw,snapshot=on,file=${MEMCTL_PASSTHROUGH//,/,,}"
		-device "nvme,drive=disk,serial=memctl")
	append=" intel_iommu=on"
fi

# The first serial port is for the host's kernel, the second for COMMAND.
# XSAVES is what TCG lacks. On a busy machine the kernel measures the TSC wrong;
# the power-management timer is right. Its second measurement is accepted within
# 1 % of the first. If it comes after KVM took the first and is higher by more than
# tsc_tolerance_ppm, KVM reads every guest's TSC as 0, and their timers are late by
# as long as the host is up. One processor: with two running guests at once, QEMU
# 7.2's emulation now and then ends a guest or the host itself.
setpriv --pdeathsig KILL timeout --foreground -s KILL "$seconds" \
	setpriv --pdeathsig KILL qemu-system-x86_64 \
	-machine q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off,graphics=off \
	-accel tcg,thread=multi,tb-size=512 -cpu EPYC,+svm,+npt,-xsaves \
	-smp 1 -m "$memory" -nodefaults -no-user-config -display none -no-reboot \
	-kernel "$kernel" -initrd "$image" \
	-append "console=ttyS0 quiet mitigations=off nokaslr clocksource=acpi_pm kvm.tsc_tolerance_ppm=20000 no_timer_check random.trust_cpu=on panic=-1$append" \
	"${passthrough[@]}" "${shared[@]}" -serial "file:$control/console" \
	-chardev stdio,id=terminal,signal=off -serial chardev:terminal \
	-chardev "pipe,id=heartbeat,path=$control/heartbeat" -serial chardev:heartbeat \
	<&0 2> "$control/qemu" &
pids+=($!)
# QEMU's VMRUN and #VMEXIT change the processor's pending interrupts without the
# lock that its timers take, so one of the timer's is lost now and then, and an
# idle kernel sleeps for ever. Any later interrupt makes up for it: here is one.
while setpriv --pdeathsig KILL sleep 0.5; do
	echo
done 1<> "$control/heartbeat.in" &
pids+=($!)
# Ends when QEMU has used less than a tenth of a processor for MEMCTL_STALL_SECONDS.
watch_for_stall() { # PARENT
	local last=0 now
	# A sleep that outlived its parent would keep whoever reads our output waiting.
	while setpriv --pdeathsig KILL sleep "$MEMCTL_STALL_SECONDS"; do
		now=$(ps --ppid "$1" -o cputimes= | tr -d ' ')
		[ $((${now:-0} - last)) -ge $((MEMCTL_STALL_SECONDS / 10)) ] || return
		last=$now
	done
}
if [ -n "${MEMCTL_STALL_SECONDS:-}" ]; then
	watch_for_stall "${pids[0]}" > /dev/null &
	pids+=($!)
fi
if [ -n "${MEMCTL_OWNER:-}" ]; then
	setpriv --pdeathsig KILL tail -f --pid="$MEMCTL_OWNER" /dev/null > /dev/null &
	pids+=($!)
fi
status=0
wait -n || status=$?

if [ ! -s "$control/status" ]; then
	if [ -n "${MEMCTL_OWNER:-}" ] && [ ! -e "/proc/$MEMCTL_OWNER" ]; then
		echo "with-kvm.sh: the process that the emulated host was for is gone" >&2
	elif [ "$status" = 137 ]; then
		echo "with-kvm.sh: the emulated host was ended after $seconds s" >&2
	else
		echo "with-kvm.sh: the emulated host ended early (QEMU: $status)" >&2
	fi
	grep -hv "warning: TCG doesn't support" "$control/qemu" "$control/console" | tail -n 10 >&2 || true
	exit 125
fi
exit "$(cat "$control/status")"
