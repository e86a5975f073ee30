#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shell.sh [6.1|newer]: boots the test guest with a shell on this terminal and
# the module loaded, ready to try the memctl command. Takes the same way to a
# KVM as run.sh. VMM, PLUGIN and VMM_FLAGS as there.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/linux-guest/kvm.sh
. "$here/kvm.sh"
kernel=${1:-6.1}

"$here/build-image.sh" "$kernel" 6.1
command=$(vmm_command "$kernel" shell 2 size=512M)
if runs_linux; then
	eval "exec $command"
fi
need_qemu
echo "In an emulated host; the guest takes about 15 s to boot."
exec "$here/outer-host.sh" -t 86400 "stty raw -echo; exec $command"
