#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# once-more.sh COMMAND...: runs COMMAND, a call of with-kvm.sh, and prints what it
# printed when it has ended. If the emulated host itself ended or stood still,
# which status 125 says, COMMAND runs once more, and at most four times in all:
# that is QEMU's emulation of SVM, and says nothing of the tests. A test that
# failed is not run again.
set -euo pipefail

readonly tries=4
# No guest of the tests lets its host rest for so long, unless its script says so.
export MEMCTL_STALL_SECONDS=${MEMCTL_STALL_SECONDS:-120}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
for ((try = 1; try <= tries; try++)); do
	status=0
	"$@" > "$output" || status=$?
	[ "$status" = 125 ] || break
	echo "once-more.sh: the emulated host did not last (try $try of $tries)" >&2
done
cat "$output"
exit "$status"
