#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# root.sh: prints the folder of a clean Debian 12, with what the packages depend on: DKMS, a compiler, kernel headers. It is made
# once, from the mirror that apt is set up with, and never changed: whoever works in it puts an overlay on top.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"
cache=$(memctl_cache "$(cd "$here/../.." && pwd -P)")
root=$cache/clean-root

exec 9> "$root.lock"
flock 9
if [ ! -d "$root" ]; then
	need_programs mmdebstrap mmdebstrap
	mirror=$(debian_mirror)
	if [ -z "$mirror" ]; then
		apt-get -qq update
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "apt knows no Debian mirror; run apt-get update first"
	[ -r "$keyring" ] || die "missing package: debian-archive-keyring"
	rm -rf "$root.new"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include=dkms,gcc,make,libc6-dev,linux-headers-amd64,kmod,udev \
		--aptopt='Apt::Install-Recommends "false"' \
		bookworm "$root.new" "deb [signed-by=$keyring] $mirror bookworm main" >&2
	mv "$root.new" "$root"
fi
echo "$root"
