#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [--docs] VMM: what memory that a guest gives back costs by memctl, by the
# balloon's free page reporting and by its inflation (docs/comparison.md), where a KVM
# boots Linux (../host). VMM is a Cloud Hypervisor with memctl, so that all are of one
# VMM; PLUGIN in the environment is another plugin than out/libmemctl.so.
#
# Data goes to out/comparison/data.csv and its picture beside it; with --docs both
# go to docs/ too.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$repository/tests/host/debian.sh"
out=$repository/out/comparison
ways=(memctl reporting inflation none)
burst_mib=384 guest_mib=640
turn_mib=192 turn_guest_mib=384 turn_guests=3
limit_seconds=1200
# Guests that idle let their host rest: only the limit ends it.
export MEMCTL_STALL_SECONDS=$limit_seconds

docs=
if [ "${1:-}" = --docs ]; then
	docs=yes
	shift
fi
[ $# = 1 ] || die "usage: run.sh [--docs] VMM"
vmm=$(realpath "$1")
plugin=$(realpath "${PLUGIN:-$repository/out/libmemctl.so}")

need_programs gcc gcc make make xz xz-utils cpio cpio
unpacked=$("$repository/tests/host/fetch.sh" newer)
busybox=$("$repository/tests/host/fetch.sh" busybox)/bin/busybox

build_image() {
	local root=$out/root release
	release=$(basename "$unpacked"/lib/modules/*)
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,lib/modules}
	cp "$busybox" "$root/bin/"
	ln -s busybox "$root/bin/sh"
	cp "$here/guest/init" "$root/init"
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$root/bin/workload" "$here/guest/workload.c"
	xz -dc "$unpacked/lib/modules/$release/kernel/drivers/virtio/virtio_balloon.ko.xz" \
		> "$root/lib/modules/virtio_balloon.ko"
	make -s -C "$repository/native/guest" KDIR="$(echo "$unpacked"/usr/src/linux-headers-*-amd64)" \
		OUT="$out/guest" CC=gcc CONFIG_DEBUG_INFO_BTF_MODULES= modules > /dev/null
	cp "$out/guest/modules/$release/memctl.ko" "$root/lib/modules/"
	strip --strip-debug "$root/lib/modules/memctl.ko"
	(cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) > "$out/initramfs.img"
}

# measure WAY GUESTS MIB GUEST_MIB: what measure.c prints, each in a host of its own
measure() {
	local device=()
	case $1 in
	memctl) device=(--memctl "plugin=$plugin") ;;
	reporting) device=(--balloon "size=0,free_page_reporting=on") ;;
	inflation) device=(--balloon "size=0") ;;
	esac
	"$repository/tests/host/once-more.sh" "$repository/tests/host/with-kvm.sh" -m 3072 -t "$limit_seconds" linux -- \
		"$out/measure" "$1" "$2" "$3" -- "$vmm" --kernel "$(echo "$unpacked"/boot/vmlinuz-*)" \
		--initramfs "$out/initramfs.img" \
		--cmdline "console=ttyS0 loglevel=3 noxsave no_timer_check mitigations=off panic=-1 way=$1" \
		--cpus boot=1 --memory "size=$4M" --serial tty --console off "${device[@]}" < /dev/null |
		tee -a "$out/log" | grep -aE '^(sample|step|burst|stall),' | tr -d '\r'
}

mkdir -p "$out"
build_image
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o "$out/measure" "$here/measure.c" "$here"/../linux-guest/host/{kvm,vmm}.c
: > "$out/log"
for way in "${ways[@]}"; do
	measure "$way" 1 "$burst_mib" "$guest_mib" > "$out/$way-1.csv"
done
for way in "${ways[@]}"; do
	measure "$way" "$turn_guests" "$turn_mib" "$turn_guest_mib" > "$out/$way-$turn_guests.csv"
done
cat "$out"/*-1.csv "$out"/*-"$turn_guests".csv > "$out/data.csv"
"$here/plot.pl" "$out/data.csv" > "$out/comparison.svg"
"$here/plot.pl" --table "$out/data.csv"
if [ -n "$docs" ]; then
	cp "$out/data.csv" "$repository/docs/comparison.csv"
	cp "$out/comparison.svg" "$repository/docs/comparison.svg"
fi
