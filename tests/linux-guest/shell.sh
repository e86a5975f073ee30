#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shell.sh [6.1|newer]: boots the test guest with a shell on this terminal and
# the module loaded, ready to try the memctl command, where a KVM boots Linux
# (../host). VMM, PLUGIN and VMM_FLAGS as for run.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/linux-guest/vmm.sh
. "$here/vmm.sh"
kernel=${1:-6.1}
limit_seconds=86400

"$here/build-image.sh" "$kernel"
vmm_command "$kernel" shell 2 size=512M
echo "The guest takes up to half a minute to boot where it is emulated."
# shellcheck disable=SC2016 # the inner shell expands it
exec "$here/../host/with-kvm.sh" -t "$limit_seconds" linux -- \
	bash -c 'stty raw -echo; "$@"; status=$?; stty sane; exit $status' shell "${command[@]}"
