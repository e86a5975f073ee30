#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh: what Cloud Hypervisor's integration tests boot and load, from
# Debian's packages, in out/cloud-hypervisor/:
#
#   workloads/    disk images and the kernel, at the file names that the harness
#                 expects below $HOME. The kernel is there under the names of
#                 firmware too: what is booted so then starts from the first disk
#   initramfs.img modules that Debian's kernel does not have built in
#   driver/       memctl.ko for that kernel, and static programs: the command
#                 memctl, memctl-churn, memctl-dma and memctl-emulated (guest/*.c)
#
# The disk has one partition with a small system that does of cloud-init what
# the harness needs. What is newer than its sources is left alone.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"
cache=$(memctl_cache "$repository")
out=$repository/out/cloud-hypervisor
suite=bookworm
# The name that test_infra has for its Ubuntu image.
image=$out/workloads/jammy-server-cloudimg-amd64-custom-20241017-0.raw
image_mib=96

packages=(
	bash libtinfo6 coreutils libacl1 libattr1 libgmp10 libselinux1 libpcre2-8-0 grep libc6
	dropbear-bin libtomcrypt1 libtommath1 libcrypt1 zlib1g
	openssh-client libssl3 socat libwrap0 libnsl2 libtirpc3
	util-linux libblkid1 libmount1 libsmartcols1 libudev1 libuuid1
	libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
)

# In the order of their needs is for depmod to find out.
modules=(
	virtio_pci virtio_blk virtio_net virtio_console virtio_mem virtio_balloon virtio-rng
	vmw_vsock_virtio_transport virtio_pmem nd_pmem ext4 crc32c_generic vfat nls_ascii nls_cp437 nls_iso8859-1 nls_utf8
)

need_programs mke2fs e2fsprogs sfdisk fdisk depmod kmod gcc gcc make make cpio cpio
busybox=$("$here/../host/fetch.sh" busybox)/bin/busybox

# Debian's kernel for cloud guests boots in half the time of the other one, which matters where it is emulated.
fetch_kernel() {
	local image headers common kbuild
	prepare_suite "$suite"
	image=$(depends_on "$suite" linux-image-cloud-amd64 '^linux-image-')
	headers=$(depends_on "$suite" linux-headers-cloud-amd64 '^linux-headers-')
	common=$(depends_on "$suite" "$headers" '^linux-headers-.*-common$')
	kbuild=$(depends_on "$suite" "$headers" '^linux-kbuild-')
	unpack "$suite" "$debian.new" "$image" "$headers" "$common" "$kbuild"
	# The packages expect to be installed below /. Without its vmlinux kbuild leaves BTF out and needs no pahole.
	sed -i "s#include /usr/src/#include $debian/usr/src/#" "$debian.new"/usr/src/linux-headers-*-amd64/Makefile
	rm -f "$debian.new"/usr/src/linux-headers-*-amd64/vmlinux
	mv "$debian.new" "$debian"
}
debian=$cache/cloud

pack() { # FOLDER IMAGE
	(cd "$1" && find . | sort | cpio -o -H newc -R 0:0 --quiet) > "$2.new"
	mv "$2.new" "$2"
}

build_initramfs() {
	local root=$1 name
	mkdir -p "$root"/{bin,dev,proc,sys,new} "$root/lib/modules/$release"
	cp "$busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	install -m 0755 "$here/guest/initramfs-init" "$root/init"
	cp "$debian/lib/modules/$release"/modules.{order,builtin} "$root/lib/modules/$release/"
	# modprobe names them with what they need first, each on a line of its own.
	depmod -b "$debian" "$release"
	for name in "${modules[@]}"; do
		modprobe -d "$debian" -S "$release" --show-depends "$name" | awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$0]++' > "$root/modules"
	while read -r name; do
		cp "$name" "$root/lib/modules/"
	done < "$root/modules"
	sed -i 's|.*/|/lib/modules/|' "$root/modules"
	pack "$root" "$out/initramfs.img"
}

build_disk() {
	local root=$1 name
	prepare_suite "$suite"
	mkdir -p "$root"/{dev,proc,sys,run,root,home/cloud,etc/dropbear,mnt,var/log,usr/bin,usr/sbin,usr/lib,usr/lib64}
	install -d -m 1777 "$root/tmp"
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$root/$name"
	done
	unpack "$suite" "$root.packages" "${packages[@]}"
	# Debian 12 still has some files in /bin and /lib, which are links here.
	for name in bin sbin lib lib64; do
		if [ -d "$root.packages/$name" ]; then
			cp -a "$root.packages/$name/." "$root/usr/$name/"
		fi
		if [ -d "$root.packages/usr/$name" ]; then
			cp -a "$root.packages/usr/$name/." "$root/usr/$name/"
		fi
	done
	rm -rf "$root.packages"
	install -m 0755 "$busybox" "$root/usr/bin/busybox"
	# Before busybox's links: what is written to a link arrives in busybox.
	printf '#!/bin/sh\n# There is none; a test that asks is answered.\n' > "$root/usr/bin/systemctl"
	printf '#!/bin/sh\n# Only the boots.\ncat /var/log/boots\n' > "$root/usr/bin/last"
	chmod 0755 "$root/usr/bin/systemctl" "$root/usr/bin/last"
	for name in $("$busybox" --list); do
		[ -e "$root/usr/bin/$name" ] || [ -e "$root/usr/sbin/$name" ] || ln -s busybox "$root/usr/bin/$name"
	done
	ln -sf ../bin/busybox "$root/usr/sbin/init"
	install -m 0755 "$here"/guest/{boot,network,notify} "$root/etc/"
	install -m 0755 "$here"/guest/{sudo,shutdown} "$root/usr/bin/"
	ln -sf shutdown "$root/usr/bin/reboot"
	ln -sf shutdown "$root/usr/bin/poweroff"
	cp "$here/guest/inittab" "$root/etc/inittab"
	# Commands of the harness need a superuser and run as the user that user-data names.
	printf 'root:x:0:0::/root:/bin/bash\ncloud:x:0:0::/home/cloud:/bin/bash\n' > "$root/etc/passwd"
	printf 'root:*:::::::\ncloud:*:::::::\n' > "$root/etc/shadow"
	printf 'root:x:0:\n' > "$root/etc/group"
	printf '/bin/bash\n' > "$root/etc/shells"

	rm -f "$image.new"
	truncate -s "${image_mib}M" "$image.new"
	printf 'start=2048, type=83\n' | sfdisk --quiet "$image.new"
	mke2fs -q -t ext4 -d "$root" -E offset=$((2048 * 512)) -L root "$image.new" "$(((image_mib - 1) * 1024))k"
	mv "$image.new" "$image"
}

build_driver() {
	local headers
	headers=$(echo "$debian"/usr/src/linux-headers-*-amd64)
	make -s -C "$repository/native/guest" KDIR="$headers" OUT="$out/guest" CC=gcc \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules tools > /dev/null
	mkdir -p "$out/driver"
	cp "$out/guest/modules/$release/memctl.ko" "$out/guest/bin/memctl" "$out/driver/"
	strip --strip-debug "$out/driver/memctl.ko"
	for name in churn dma emulated; do
		gcc -O2 -std=gnu11 -Wall -Wextra -Werror -Wshadow -static -I"$repository/native/guest/include/uapi" \
			-o "$out/driver/memctl-$name" "$here/guest/$name.c"
	done
}

mkdir -p "$out/workloads"
exec 9> "$out/lock"
flock 9
if [ ! -d "$debian" ]; then
	rm -rf "$debian.new"
	fetch_kernel
fi
release=$(basename "$debian"/lib/modules/*)
build_driver
if [ ! -e "$out/initramfs.img" ] || [ ! -e "$image" ] ||
	[ -n "$(find "$0" "$here/guest" -type f ! -name "*.c" -newer "$image" -print -quit)" ]; then
	work=$(mktemp -d "$out/work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp "$debian"/boot/vmlinuz-* "$out/workloads/vmlinux-x86_64"
	for name in hypervisor-fw CLOUDHV.fd; do
		ln -sf vmlinux-x86_64 "$out/workloads/$name"
	done
	mkdir "$work/files"
	echo bar > "$work/files/foo"
	truncate -s 16M "$work/blk.img"
	mke2fs -q -t ext4 -d "$work/files" "$work/blk.img"
	mv "$work/blk.img" "$out/workloads/"
	build_initramfs "$work/initramfs"
	build_disk "$work/disk"
fi
