#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [MATRIX]: the Linux guest tests, where a KVM boots Linux (../host). In
# the environment VMM and PLUGIN choose another VMM with the same flags or
# another plugin, VMM_FLAGS gives more flags, and WITHOUT=TEST,... names tests
# that this VMM can't have.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/linux-guest/vmm.sh
. "$here/vmm.sh"
all=$(realpath "${1:-$here/matrix.txt}")
matrix=$IMAGES/matrix.txt
logs=$IMAGES/logs
# What an emulated host needs besides its guest's own limit.
host_seconds=120

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

# run_lane HOST: the guests of MATRIX on that host kernel, each on a host of its
# own where that is emulated, so that one which does not last costs one guest.
run_lane() {
	local host=$1 line number=0 status=0 seconds
	mkdir -p "$logs/$host"
	while read -r line; do
		number=$((number + 1))
		echo "$line" > "$IMAGES/matrix-$host-$number.txt"
		seconds=$(awk '{ print $6 }' <<< "$line")
		"$here/../results.pl" tap "linux-guest-$host-$number" "$here/../host/once-more.sh" \
			"$here/../host/with-kvm.sh" -k "$host" -g 192 -t $((seconds + host_seconds)) \
			-x "$logs/$host" linux -- \
			env VMM="$VMM" PLUGIN="$PLUGIN" TOP="$TOP" VMM_FLAGS="$VMM_FLAGS" \
			"$here/matrix.sh" "$IMAGES/matrix-$host-$number.txt" "$host" "$logs/$host" \
			< /dev/null || status=1
	done < <(awk -v host="$host" '$1 == host' "$matrix")
	return $status
}

runs=() status=0
while read -r host; do
	run_lane "$host" &
	runs+=($!)
done < <(awk '{ print $1 }' "$matrix" | sort -u)
for run in "${runs[@]}"; do
	wait "$run" || status=1
done
"$here/../results.pl" tap linux-guest-pages "$here/see-pages.sh" "$TOP" "$logs" || status=1
echo "# Linux guest tests: $SECONDS s; logs: ${logs#"$repository"/}"
exit $status
