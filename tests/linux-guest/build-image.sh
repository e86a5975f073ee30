#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-image.sh [6.1|newer]...
#
# Builds, for each kernel (both by default), the driver and an initramfs with
# busybox, the modules, the memctl command and the in-guest tests, into
# out/linux-guest/: vmlinuz-KERNEL and initramfs-KERNEL.img, and kexec-KERNEL.img,
# an initramfs that holds these two besides. Beside them watch-guest, which runs
# on the host, broken.so, a broken device, and outer.img, the initramfs of the
# emulated host (outer-host.sh). Kernels come from packages.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=$repository/.cache/linux-guest
out=$repository/out/linux-guest
busybox=$cache/busybox/bin/busybox
c_flags=(-std=gnu11 -O2 -Wall -Wextra -Werror)

# What Debian's kernel has as modules, in the order of their needs.
outer_modules=(
	drivers/virtio/virtio drivers/virtio/virtio_ring
	drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci_modern_dev
	drivers/virtio/virtio_pci net/9p/9pnet net/9p/9pnet_virtio
	fs/netfs/netfs fs/fscache/fscache fs/9p/9p
	virt/lib/irqbypass drivers/crypto/ccp/ccp arch/x86/kvm/kvm arch/x86/kvm/kvm-amd
	mm/zsmalloc drivers/block/zram/zram
)

# need PROGRAM PACKAGE ...: installs what is missing as root, else names it.
need() {
	local missing=()
	while [ $# -gt 0 ]; do
		command -v "$1" > /dev/null || missing+=("$2")
		shift 2
	done
	[ -e /usr/include/x86_64-linux-gnu/sys/types.h ] || missing+=(libc6-dev)
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" != 0 ]; then
		echo "build-image.sh: missing packages: ${missing[*]}" >&2
		exit 1
	fi
	apt-get -qq -o DPkg::Lock::Timeout=600 update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
		install -y --no-install-recommends "${missing[@]}" > /dev/null
}

# pack FOLDER IMAGE
pack() {
	(cd "$1" && find . | sort | "$busybox" cpio -o -H newc -R 0:0 2> /dev/null) > "$2"
}

# build_guest_side HEADERS TARGETS...: with this machine's compiler, whichever
# the kernel was built with, and without BTF, which needs the kernel's vmlinux.
build_guest_side() {
	local headers=$1
	shift
	make -s -C "$repository/native/guest" KDIR="$headers" OUT="$out/guest" CC=gcc \
		CONFIG_DEBUG_INFO_BTF_MODULES= "$@" > /dev/null
}

# build_test_modules HEADERS COPY: kbuild writes beside the sources.
build_test_modules() {
	rm -rf "$2"
	cp -r "$here/kernel" "$2"
	make -s -C "$1" M="$2" CC=gcc KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

build_guest() {
	local kernel=$1 headers work root
	headers=$(echo "$cache/$kernel"/usr/src/linux-headers-*-amd64)
	work=$out/$kernel root=$out/$kernel/root
	mkdir -p "$work"
	cp "$cache/$kernel"/boot/vmlinuz-* "$out/vmlinuz-$kernel"
	build_guest_side "$headers" modules
	build_test_modules "$headers" "$work/kernel"

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/lib/modules"
	cp "$busybox" "$root/bin/"
	ln -s busybox "$root/bin/sh"
	cp "$here/init" "$root/init"
	cp "$here"/guest/*.sh "$root/lib/"
	cp "$out/guest/modules/$(basename "$cache/$kernel"/lib/modules/*)"/*.ko \
		"$work"/kernel/*.ko "$root/lib/modules/"
	strip --strip-debug "$root"/lib/modules/*.ko
	cp "$out/guest-test" "$out/guest/bin/memctl" "$out"/guest/tests/* "$root/bin/"
	pack "$root" "$out/initramfs-$kernel.img"

	rm -rf "$work/next"
	mkdir -p "$work/next/boot"
	cp "$out/vmlinuz-$kernel" "$work/next/boot/vmlinuz"
	cp "$out/initramfs-$kernel.img" "$work/next/boot/initramfs.img"
	pack "$work/next" "$work/next.img"
	cat "$out/initramfs-$kernel.img" "$work/next.img" > "$out/kexec-$kernel.img"
}

build_outer() {
	local root=$out/outer module number=100
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,modules,newroot}
	cp "$busybox" "$root/bin/"
	ln -s busybox "$root/bin/sh"
	cp "$here/outer-init" "$root/init"
	for module in "${outer_modules[@]}"; do
		cp "$cache/6.1"/lib/modules/*/kernel/"$module.ko" \
			"$root/modules/$number-${module##*/}.ko"
		number=$((number + 1))
	done
	pack "$root" "$out/outer.img"
}

need gcc gcc strip binutils make make
"$here/packages.sh"
mkdir -p "$out"
gcc "${c_flags[@]}" -o "$out/watch-guest" "$here"/host/*.c
gcc "${c_flags[@]}" -shared -fPIC -I "$repository/native/include" -o "$out/broken.so" "$here/broken/plugin.c"
gcc "${c_flags[@]}" -static -pthread -o "$out/guest-test" -I "$repository/native/tap" "$repository/native/tap/tap.c" "$here"/guest/*.c
build_guest_side "$(echo "$cache"/6.1/usr/src/linux-headers-*-amd64)" tools tests
build_outer
[ $# -gt 0 ] || set -- 6.1 newer
for kernel; do
	build_guest "$kernel"
done
