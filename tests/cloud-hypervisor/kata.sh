#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kata.sh [-k KERNEL] TREE: docs/kata.md from the packages to a VM that gives
# its memory back. In a host whose files are forgotten afterwards the packages of
# ./build.sh package are installed, and the VMM of TREE, a Cloud Hypervisor built
# as run.sh says. The wrapper is started, sent what both of Kata's runtimes send,
# and its resident memory watched. Prints TAP.
#
#   -k  vmlinux with the driver built in. Without it one is compiled from Debian's
#       source by kata.config: once, in some minutes
#
# CARGO_TARGET_DIR names the tree's target folder if it is another one.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"
packages=$repository/out/packages
out=$repository/out/cloud-hypervisor
kernel=
while getopts k: option; do
	case $option in
	k) kernel=$(realpath "$OPTARG") ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || die "usage: kata.sh [-k KERNEL] TREE"
tree=$(realpath "$1")
vmm=$(realpath "${CARGO_TARGET_DIR:-$tree/target}/release/cloud-hypervisor")
tarball=$(echo "$packages"/memctl-*-linux-x64.tar.xz)
[ -f "$vmm" ] || die "$tree is not built"
[ -f "$tarball" ] || die "no packages: ./build.sh package makes them"

need_programs curl curl pgrep procps mke2fs e2fsprogs sfdisk fdisk xz xz-utils
mkdir -p "$out"
work=$(mktemp -d "$out/kata.XXXXXX")
trap 'rm -rf "$work"' EXIT
stage=$work/stage
mkdir "$stage" "$work/tarball"
tar -C "$work/tarball" --strip-components=1 -xJf "$tarball"

# The series of the tarball makes of the release what TREE was built from.
series_is_the_trees() {
	git clone --quiet --shared --no-checkout "$tree" "$work/release"
	git -C "$work/release" checkout --quiet v53.0
	"$work/tarball/rust-shim/cloud-hypervisor/apply.sh" "$work/release"
	git -C "$work/release" diff --stat HEAD "$(git -C "$tree" rev-parse HEAD)" -- "*.rs" | tee "$work/differs"
	[ ! -s "$work/differs" ]
}
if (series_is_the_trees) > "$work/said" 2>&1; then
	echo "ok 1 - the tarball's series makes of v53.0 what the tree has"
else
	sed 's/^/# /' "$work/said"
	echo "not ok 1 - the tarball's series makes of v53.0 what the tree has"
	exit 1
fi

# Instead of Kata's image: one that uses memory and frees it, once.
build_image() { # FILE
	local root=$work/image
	mkdir -p "$root"/{bin,sbin,etc,dev,proc,sys,tmp}
	cp "$("$here/../host/fetch.sh" busybox)/bin/busybox" "$root/bin/busybox"
	ln -s ../bin/busybox "$root/sbin/init"
	ln -s busybox "$root/bin/sh"
	echo '::sysinit:/etc/use' > "$root/etc/inittab"
	cat > "$root/etc/use" <<-'SH'
		#!/bin/sh
		/bin/busybox mount -t tmpfs used /tmp
		/bin/busybox dd if=/dev/zero of=/tmp/file bs=1M count=256
		/bin/busybox umount /tmp
	SH
	chmod +x "$root/etc/use"
	truncate -s 16M "$1"
	printf 'start=2048, type=83\n' | sfdisk --quiet "$1"
	mke2fs -q -t ext4 -d "$root" -E offset=$((2048 * 512)) "$1" 14M
}

[ -n "$kernel" ] || kernel=$("$here/../host/kernel.sh" "$here/kata.config" "$work/tarball/native/guest")
build_image "$stage/kata-containers.img"
cp "$kernel" "$stage/vmlinux-memctl.container"
cp "$packages"/memctl-{plugin,host}_*.deb "$vmm" "$here"/bodies/kata-*.json "$here/kata-walk.sh" "$stage/"
"$here/../host/with-kvm.sh" -k debian -m 3072 -t 900 linux -- "$here/kata-in-host.sh" "$stage"
