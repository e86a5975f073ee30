#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# image.sh: prints the path of the emulated host's initramfs: busybox, init, and
# what Debian's kernel has as modules. It is made anew if it is older than these.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
out=$(cd "$here/../.." && pwd -P)/out/host
image=$out/initramfs.img

# In the order of their needs.
modules=(
	drivers/virtio/virtio drivers/virtio/virtio_ring
	drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci_modern_dev
	drivers/virtio/virtio_pci net/9p/9pnet net/9p/9pnet_virtio
	fs/netfs/netfs fs/fscache/fscache fs/9p/9p fs/overlayfs/overlay
	virt/lib/irqbypass drivers/crypto/ccp/ccp arch/x86/kvm/kvm arch/x86/kvm/kvm-amd
	mm/zsmalloc drivers/block/zram/zram
)

busybox=$("$here/fetch.sh" busybox)/bin/busybox
debian=$("$here/fetch.sh" 6.1)
mkdir -p "$out"
exec 9> "$out/lock"
flock 9
if [ ! -e "$image" ] || [ -n "$(find "$0" "$here/init" "$debian" "$busybox" -maxdepth 0 -newer "$image")" ]; then
	root=$(mktemp -d "$out/root.XXXXXX")
	trap 'rm -rf "$root"' EXIT
	mkdir -p "$root"/{bin,dev,proc,sys,modules,control,files,layer,root}
	cp "$busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	cp "$here/init" "$root/init"
	number=100
	for module in "${modules[@]}"; do
		cp "$debian"/lib/modules/*/kernel/"$module.ko" "$root/modules/$number-${module##*/}.ko"
		number=$((number + 1))
	done
	(cd "$root" && find . | sort | "$busybox" cpio -o -H newc -R 0:0 2> /dev/null) > "$image.new"
	mv "$image.new" "$image"
fi
echo "$image"
