#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bare-metal guest under the reference VMM: TAP on standard output. MEMCTL_OUT: where the build is (default: out beside tests/).
# Arguments, if any, name the parts to run: private private-thp shared hugepages dialect large calls kicks.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../.." && pwd)/out}
export MEMCTL_OUT

make -s -C "$here/host" OUT="$MEMCTL_OUT"
exec "$MEMCTL_OUT/selftest/selftest-check" "$@"
