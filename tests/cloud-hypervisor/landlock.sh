#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# landlock.sh VMM: the Linux guests of landlock.txt on VMM, a Cloud Hypervisor
# with memctl that has ch-remote beside it, under --landlock. It asks for
# Landlock as Linux 6.2 has it, so an emulated host has its own kernel. First it
# is shown that the sandbox is in force: a disk that VMM was not started with
# can be plugged without --landlock, and can't with it. PLUGIN is the plugin,
# out/libmemctl.so by default.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
[ $# = 1 ] || {
	echo "usage: landlock.sh VMM" >&2
	exit 2
}
VMM=$(realpath "$1")
export VMM
# shellcheck source=tests/linux-guest/vmm.sh
. "$here/../linux-guest/vmm.sh"
PLUGIN=$(realpath "$PLUGIN")

"$here/../linux-guest/build-image.sh"
"$here/../host/once-more.sh" "$here/../host/with-kvm.sh" -k own -t 300 linux -- \
	"$here/landlock-in-host.sh" "$VMM" "$PLUGIN" "$IMAGES"
VMM_FLAGS=--landlock exec "$here/../linux-guest/run.sh" "$here/landlock.txt"
