#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packages.sh: unpack the Debian packages that the Linux guest tests need
# into .cache/linux-guest/ of the repository; nothing of them is installed.
#
#   6.1/      kernel image, modules and headers of Debian 12
#   newer/    the same from bookworm-backports
#   busybox/  busybox-static
#
# Signatures are checked by apt with Debian's own key ring. A folder that is
# complete is left alone; remove it to fetch the packages anew.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/linux-guest
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() { echo "packages.sh: $*" >&2; exit 1; }

# The mirror that this machine's apt is set up with.
debian_mirror() {
	# shellcheck disable=SC2016 # apt expands these, not the shell
	apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE)' 'Created-By: Packages' |
		awk '$1 == "Debian" && $3 !~ /security/ { print $2; exit }'
}

# suite_apt SUITE PROGRAM ARGS...: an apt that knows this one suite only and
# keeps its state in the cache.
suite_apt() {
	local suite=$1 program=$2 root
	shift 2
	root=$cache/apt/$suite
	"$program" -qq \
		-o Dir::Etc::sourcelist="$root/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Acquire::Languages=none \
		-o Dir::State="$root/state" -o Dir::State::status="$root/status" \
		-o Dir::Cache="$root/cache" -o APT::Sandbox::User=root "$@"
}

prepare_suite() {
	local suite=$1 root mirror
	root=$cache/apt/$suite
	mirror=$(debian_mirror)
	if [ -z "$mirror" ] && [ "$(id -u)" = 0 ]; then
		apt-get -qq update
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "apt knows no Debian mirror; run apt-get update first"
	[ -r "$keyring" ] || die "missing package: debian-archive-keyring"
	mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial"
	: > "$root/status"
	echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main" > "$root/sources.list"
	suite_apt "$suite" apt-get update
}

# The packages that PACKAGE depends on, by the given name pattern.
depends_on() {
	suite_apt "$1" apt-cache depends "$2" |
		awk -v name="$3" '$1 == "Depends:" && $2 ~ name { print $2 }'
}

# unpack SUITE FOLDER PACKAGES...
unpack() {
	local suite=$1 folder=$2 deb
	shift 2
	mkdir -p "$folder.new/debs"
	(cd "$folder.new/debs" && suite_apt "$suite" apt-get download "$@")
	for deb in "$folder.new"/debs/*.deb; do
		dpkg -x "$deb" "$folder.new"
	done
	rm -r "$folder.new/debs"
}

# fetch_kernel SUITE FOLDER
fetch_kernel() {
	local suite=$1 folder=$2 image headers common kbuild
	rm -rf "$folder" "$folder.new"
	prepare_suite "$suite"
	image=$(depends_on "$suite" linux-image-amd64 '^linux-image-')
	headers=$(depends_on "$suite" linux-headers-amd64 '^linux-headers-')
	common=$(depends_on "$suite" "$headers" '^linux-headers-.*-common$')
	kbuild=$(depends_on "$suite" "$headers" '^linux-kbuild-')
	if [ -z "$image" ] || [ -z "$common" ] || [ -z "$kbuild" ]; then
		die "no complete kernel found in $suite"
	fi
	unpack "$suite" "$folder" "$image" "$headers" "$common" "$kbuild"
	# The packages expect to be installed below /. Without its vmlinux
	# kbuild leaves BTF out and needs no pahole.
	sed -i "s#include /usr/src/#include $folder/usr/src/#" "$folder.new"/usr/src/linux-headers-*-amd64/Makefile
	rm -f "$folder.new"/usr/src/linux-headers-*-amd64/vmlinux
	mv "$folder.new" "$folder"
}

fetch_busybox() {
	local suite=bookworm folder=$cache/busybox
	rm -rf "$folder" "$folder.new"
	prepare_suite "$suite"
	unpack "$suite" "$folder" busybox-static
	mv "$folder.new" "$folder"
}

mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
[ -d "$cache/6.1" ] || fetch_kernel bookworm "$cache/6.1"
[ -d "$cache/newer" ] || fetch_kernel bookworm-backports "$cache/newer"
[ -d "$cache/busybox" ] || fetch_busybox
