#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Native tests of the real library, TAP on standard output: the fuzz corpus replayed, faults, stress for MEMCTL_STRESS_SECONDS
# (default 10). MEMCTL_OUT: where the build is.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../.." && pwd)/out}
export MEMCTL_OUT

make -s -C "$here" OUT="$MEMCTL_OUT"
number=0
failed=0
# The numbers of the programs' results become one row, and their plans one plan.
for command in "replay-actions $here/fuzz/corpus/actions" "replay-restore $here/fuzz/corpus/restore" \
	"replay-abi $here/fuzz/corpus/abi" run-faults run-stress; do
	log=$MEMCTL_OUT/native/${command%% *}.tap
	# The words of a command are its arguments.
	# shellcheck disable=SC2086
	if ! timeout 900 "$MEMCTL_OUT/native/"$command >"$log"; then
		failed=1
		echo "not ok - ${command%% *} ended with a failure" >>"$log"
	fi
	sed -E '/^1\.\./d' "$log" | awk -v number="$number" '
		/^(not )?ok / { sub(/ok( [0-9]+)?/, "ok " ++number) }
		{ print }'
	number=$((number + $(grep -cE '^(not )?ok ' "$log")))
done
echo "1..$number"
exit $failed
