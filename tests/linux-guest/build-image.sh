#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-image.sh [6.1|newer]...
#
# Builds, for each kernel (both by default), the driver and an initramfs with
# busybox, the modules, the memctl command and the in-guest tests, into
# out/linux-guest/: vmlinuz-KERNEL and initramfs-KERNEL.img, and kexec-KERNEL.img,
# an initramfs that holds these two besides. Beside them watch-guest, which runs
# on the host, and broken.so, a broken device.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$repository/tests/host/debian.sh"
out=$repository/out/linux-guest
# Where make builds: kbuild takes no path with a space.
make_out=$out
if [[ ! $out =~ ^[A-Za-z0-9/._+-]+$ ]]; then
	make_out=$(memctl_cache "$repository")/guest-$(echo "$out" | sha256sum | cut -c 1-12)
fi
c_flags=(-std=gnu11 -O2 -Wall -Wextra -Werror)

# pack FOLDER IMAGE
pack() {
	(cd "$1" && find . | sort | "$busybox" cpio -o -H newc -R 0:0 2> /dev/null) > "$2"
}

# build_guest_side HEADERS TARGETS...: with this machine's compiler, whichever
# the kernel was built with, and without BTF, which needs the kernel's vmlinux.
build_guest_side() {
	local headers=$1
	shift
	make -s -C "$repository/native/guest" KDIR="$headers" OUT="$make_out/guest" CC=gcc \
		CONFIG_DEBUG_INFO_BTF_MODULES= "$@" > /dev/null
}

# build_test_modules HEADERS COPY: kbuild writes beside the sources.
build_test_modules() {
	rm -rf "$2"
	cp -r "$here/kernel" "$2"
	make -s -C "$1" M="$2" CC=gcc KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

build_guest() {
	local kernel=$1 unpacked headers work root modules
	unpacked=$("$repository/tests/host/fetch.sh" "$kernel")
	headers=$(echo "$unpacked"/usr/src/linux-headers-*-amd64)
	work=$out/$kernel root=$out/$kernel/root modules=$make_out/$kernel
	mkdir -p "$work" "$modules"
	cp "$unpacked"/boot/vmlinuz-* "$out/vmlinuz-$kernel"
	build_guest_side "$headers" modules
	build_test_modules "$headers" "$modules/kernel"

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/lib/modules"
	cp "$busybox" "$root/bin/"
	ln -s busybox "$root/bin/sh"
	cp "$here/init" "$root/init"
	cp "$here"/guest/*.sh "$root/lib/"
	cp "$make_out/guest/modules/$(basename "$unpacked"/lib/modules/*)"/*.ko \
		"$modules"/kernel/*.ko "$root/lib/modules/"
	strip --strip-debug "$root"/lib/modules/*.ko
	cp "$out/guest-test" "$make_out/guest/bin/memctl" "$make_out"/guest/tests/* "$root/bin/"
	pack "$root" "$out/initramfs-$kernel.img"

	rm -rf "$work/next"
	mkdir -p "$work/next/boot"
	cp "$out/vmlinuz-$kernel" "$work/next/boot/vmlinuz"
	cp "$out/initramfs-$kernel.img" "$work/next/boot/initramfs.img"
	pack "$work/next" "$work/next.img"
	cat "$out/initramfs-$kernel.img" "$work/next.img" > "$out/kexec-$kernel.img"
}

need_programs gcc gcc strip binutils make make /usr/include/x86_64-linux-gnu/sys/types.h libc6-dev
busybox=$("$repository/tests/host/fetch.sh" busybox)/bin/busybox
mkdir -p "$out"
gcc "${c_flags[@]}" -o "$out/watch-guest" "$here"/host/*.c
gcc "${c_flags[@]}" -shared -fPIC -I "$repository/native/include" -o "$out/broken.so" "$here"/broken/*.c
gcc "${c_flags[@]}" -static -pthread -o "$out/guest-test" -I "$repository/native/tap" \
	"$repository/native/tap/tap.c" "$here"/guest/*.c
build_guest_side "$(echo "$("$repository/tests/host/fetch.sh" 6.1)"/usr/src/linux-headers-*-amd64)" tools tests
[ $# -gt 0 ] || set -- 6.1 newer
for kernel; do
	build_guest "$kernel"
done
