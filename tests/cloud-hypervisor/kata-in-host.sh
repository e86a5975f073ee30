#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kata-in-host.sh STAGE: runs kata-walk.sh with STAGE as its folder, as root,
# where what it installs is gone afterwards: on a layer in memory over this
# machine's files.
set -euo pipefail

[ "$(id -u)" = 0 ] || {
	echo "${0##*/}: only root can install the packages" >&2
	exit 1
}
# shellcheck disable=SC2016 # the inner shell expands these
exec unshare --mount --pid --fork bash -euc '
	layer=$(mktemp -d)
	mount -t tmpfs tmpfs "$layer"
	mkdir "$layer"/{changes,work,root}
	mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/changes,workdir=$layer/work" "$layer/root"
	mount -t proc proc "$layer/root/proc"
	mount --rbind /sys "$layer/root/sys"
	mount --rbind /dev "$layer/root/dev"
	mount -t tmpfs tmpfs "$layer/root/run"
	mkdir "$layer/root/run/stage"
	cp "$1"/* "$layer/root/run/stage/"
	cd /
	exec chroot "$layer/root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash /run/stage/kata-walk.sh
' bash "$1"
