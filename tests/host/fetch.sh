#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh 6.1|newer|busybox: prints the folder with that in it, unpacked from
# Debian's packages; nothing of them is installed.
#
#   6.1       kernel image, modules and headers of Debian 12
#   newer     the same from bookworm-backports
#   busybox   busybox-static
#
# A folder that is complete is left alone; remove it to fetch the packages anew.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/debian.sh"
cache=$(memctl_cache "$(cd "$here/../.." && pwd -P)")
folder=$cache/$1

fetch_kernel() { # SUITE
	local suite=$1 image headers common kbuild
	prepare_suite "$suite"
	image=$(depends_on "$suite" linux-image-amd64 '^linux-image-')
	headers=$(depends_on "$suite" linux-headers-amd64 '^linux-headers-')
	common=$(depends_on "$suite" "$headers" '^linux-headers-.*-common$')
	kbuild=$(depends_on "$suite" "$headers" '^linux-kbuild-')
	if [ -z "$image" ] || [ -z "$common" ] || [ -z "$kbuild" ]; then
		die "no complete kernel found in $suite"
	fi
	unpack "$suite" "$folder.new" "$image" "$headers" "$common" "$kbuild"
	# The packages expect to be installed below /. Without its vmlinux
	# kbuild leaves BTF out and needs no pahole.
	sed -i "s#include /usr/src/#include $folder/usr/src/#" "$folder.new"/usr/src/linux-headers-*-amd64/Makefile
	rm -f "$folder.new"/usr/src/linux-headers-*-amd64/vmlinux
}

mkdir -p "$cache"
exec 9> "$cache/$1.lock"
flock 9
if [ ! -d "$folder" ]; then
	rm -rf "$folder.new"
	case $1 in
	6.1) fetch_kernel bookworm ;;
	newer) fetch_kernel bookworm-backports ;;
	busybox)
		prepare_suite bookworm
		unpack bookworm "$folder.new" busybox-static
		;;
	*) die "6.1, newer or busybox, not $1" ;;
	esac
	mv "$folder.new" "$folder"
fi
echo "$folder"
