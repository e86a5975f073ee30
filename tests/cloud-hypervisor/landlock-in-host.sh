#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# landlock-in-host.sh VMM PLUGIN IMAGES: whether --landlock keeps VMM from a file
# that it was not started with. Prints TAP.
set -euo pipefail

vmm=$1 plugin=$2 images=$3
work=$(mktemp -d)
truncate -s 1M "$work/disk"

# plug_disk [FLAG]: whether a running VM takes the disk
plug_disk() {
	local status=0
	"$vmm" --api-socket "$work/api" --kernel "$images/vmlinuz-6.1" --initramfs "$images/initramfs-6.1.img" \
		--memory size=256M --serial null --console off --memctl "plugin=$plugin" "$@" < /dev/null &> "$work/log" &
	until "$remote" --api-socket "$work/api" info 2> /dev/null | grep -q '"state": *"Running"'; do
		kill -0 $! 2> /dev/null || break
	done
	"$remote" --api-socket "$work/api" add-disk "path=$work/disk" &>> "$work/log" || status=$?
	"$remote" --api-socket "$work/api" shutdown-vmm > /dev/null 2>&1 || true
	wait $! || true
	rm -f "$work/api"
	return $status
}
remote=$(dirname "$vmm")/ch-remote

result() { # NUMBER NAME
	echo "ok $1 - $2"
}
failed() {
	echo "not ok $1 - $2"
	sed 's/^/# /' "$work/log"
	exit 1
}
echo 1..2
name="without --landlock any disk can be plugged"
if plug_disk; then result 1 "$name"; else failed 1 "$name"; fi
name="with --landlock a disk that the VMM was not started with can't"
if plug_disk --landlock; then failed 2 "$name"; fi
grep -q 'Permission denied' "$work/log" || failed 2 "$name"
result 2 "$name"
