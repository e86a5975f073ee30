#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Native tests of the real library: the fuzz corpus replayed, faults, stress for MEMCTL_STRESS_SECONDS (default 10).
# MEMCTL_OUT: where the build is.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../.." && pwd -P)/out}
export MEMCTL_OUT
limit_seconds=900

# A path without a space, as make needs it.
make -s -C "$here" OUT="$(realpath --relative-to="$here" "$MEMCTL_OUT")"
failed=0
run() {
	program=$1
	shift
	"$here/../results.pl" tap "native-$program" timeout "$limit_seconds" "$MEMCTL_OUT/native/$program" "$@" || failed=1
}
run replay-actions "$here/fuzz/corpus/actions"
run replay-restore "$here/fuzz/corpus/restore"
run replay-abi "$here/fuzz/corpus/abi"
run run-faults
run run-stress
exit $failed
