#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [MATRIX]: the Linux guest tests. Prints TAP and exits with 1 if a test
# failed. Uses this machine's KVM where a Linux guest boots on it, else an
# emulated host (outer-host.sh), and says which. In the environment VMM and
# PLUGIN choose another VMM with the same flags or another plugin, VMM_FLAGS
# gives more flags, and WITHOUT=TEST,... names tests that this VMM can't have.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/linux-guest/kvm.sh
. "$here/kvm.sh"
all=$(realpath "${1:-$here/matrix.txt}")
matrix=$IMAGES/matrix.txt
logs=$IMAGES/logs
# Longer than the slowest machine needs; the suite takes under ten minutes.
bound_seconds=1500

"$here/build-image.sh"
rm -rf "$logs"
mkdir -p "$logs"

# The guests of MATRIX less those tests, and less guests that have nothing left
# but their log.
awk -v without=",${WITHOUT:-}," '/^[^#]/ {
	count = split($7, tests, ",")
	kept = ""
	for (i = 1; i <= count; i++)
		if (!index(without, "," tests[i] ","))
			kept = kept "," tests[i]
	$7 = substr(kept, 2)
	if ($7 != "log")
		print
}' "$all" > "$matrix"

# On an emulated host of its own. It writes byte by byte; lines stay whole here.
run_lane() {
	mkdir -p "$logs/$1"
	"$here/outer-host.sh" -t "$bound_seconds" -g 192 -x "$logs/$1" \
		"VMM='$VMM' PLUGIN='$PLUGIN' VMM_FLAGS='$VMM_FLAGS' LOGS=/run/exchange '$here/matrix.sh' '$matrix' $1" \
		< /dev/null | sed -u 's/\r$//'
}

run_matrix() {
	if runs_linux; then
		echo "# this machine's /dev/kvm runs Linux: used directly"
		LOGS=$logs "$here/matrix.sh" "$matrix"
		return
	fi
	echo "# no Linux on this machine's /dev/kvm: in emulated hosts (QEMU TCG with AMD SVM)"
	need_qemu
	local lane host hosts=() status=0
	for lane in $(lanes "$matrix"); do
		run_lane "$lane" &
		hosts+=($!)
	done
	for host in "${hosts[@]}"; do
		wait "$host" || status=1
	done
	return $status
}

# Guests that vanish without a line would go unseen otherwise.
all_guests_told() {
	local listed told
	listed=$(grep -c '^[^#]' "$matrix")
	told=$(grep -cE 'ok - Linux .*(: VMM exited|# SKIP this host has no)' "$logs/tap")
	if [ "$listed" = "$told" ]; then
		echo "ok - each of $listed guests told how it ended"
	else
		echo "not ok - each of $listed guests told how it ended ($told did)"
	fi
}

{
	if ! run_matrix; then
		echo "not ok - the guests could be run"
	fi
} | tee "$logs/tap"
all_guests_told | tee -a "$logs/tap"
total=$(grep -cE '^(not )?ok ' "$logs/tap")
failed=$(grep -c '^not ok ' "$logs/tap" || true)
echo "1..$total"
echo "# $((total - failed)) of $total Linux guest tests passed in $SECONDS s; logs: ${logs#"$repository"/}"
[ "$failed" = 0 ]
