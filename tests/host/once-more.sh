#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# once-more.sh COMMAND...: runs COMMAND, a call of with-kvm.sh, and prints what it
# printed when it has ended. If the emulated host itself ended or stood still,
# which status 125 says, COMMAND runs once more: that is QEMU's emulation of SVM,
# and says nothing of the tests. A test that failed is not run again.
set -euo pipefail

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
"$@" > "$output" || status=$?
if [ "$status" = 125 ]; then
	echo "once-more.sh: the emulated host did not last; once more" >&2
	status=0
	"$@" > "$output" || status=$?
fi
cat "$output"
exit "$status"
