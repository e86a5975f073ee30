#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bare-metal guest under the reference VMM: TAP on standard output. MEMCTL_OUT: where the build is (default: out at the top).
# Arguments, if any, name the parts to run: judge private private-thp shared hugepages dialect large calls kicks attack.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../.." && pwd -P)/out}
export MEMCTL_OUT

# A path without a space, as make needs it.
make -s -C "$here/host" OUT="$(realpath --relative-to="$here/host" "$MEMCTL_OUT")"
exec "$here/../../tests/host/with-kvm.sh" bare-metal -- "$MEMCTL_OUT/selftest/selftest-check" "$@"
