#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the real library for SECONDS, shared by three targets: a guest's and a VMM's actions, damaged states, wrong arguments.
# Prints executions, coverage and findings of each; fails if there is a finding. MEMCTL_OUT: where the build is.
# What is new goes to $MEMCTL_OUT/native/corpus, a finding's input to $MEMCTL_OUT/native/findings.
set -eu
seconds=${1:-180}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../../.." && pwd)/out}
export MEMCTL_OUT

for FUZZ_CC in clang clang-19 clang-16 clang-14 none; do
	if command -v "$FUZZ_CC" >/dev/null; then
		break
	fi
done
if [ "$FUZZ_CC" = none ]; then
	echo "fuzzing needs clang with its runtime (Debian: clang libclang-rt-dev)" >&2
	exit 1
fi
make -s -C "$here/.." OUT="$MEMCTL_OUT" FUZZ_CC="$FUZZ_CC" fuzz

status=0
for target in actions restore abi; do
	new=$MEMCTL_OUT/native/corpus/$target
	findings=$MEMCTL_OUT/native/findings/$target
	log=$MEMCTL_OUT/native/fuzz-$target.log
	mkdir -p "$new" "$findings"
	if "$MEMCTL_OUT/native/fuzz-$target" -max_total_time=$((seconds / 3)) -max_len=600 -timeout=60 -print_final_stats=1 \
		-artifact_prefix="$findings/" "$new" "$here/corpus/$target" >"$log" 2>&1; then
		result='no finding'
	else
		result="FINDING, see $log and $findings"
		status=1
	fi
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	features=$(sed -n 's/.* \(cov: [0-9]* ft: [0-9]*\).*/\1/p' "$log" | tail -n 1)
	behaviours=$(sed -n 's/^# \(.* behaviours observed\)/\1/p' "$log")
	echo "$target: ${executions:-?} executions, ${features:-no coverage}, ${behaviours:-?}: $result"
done
exit $status
