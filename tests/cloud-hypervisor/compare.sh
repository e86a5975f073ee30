#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# compare.sh TREE VMM [TEST...]: runs tests of Cloud Hypervisor's own (those of
# chosen.txt otherwise) on VMM, which is the release as it is, and on what was
# built in TREE, with a memctl device in each VM that is created. Prints a row of
# docs/cloud-hypervisor-tests.md for each, and fails if one passes on the release
# only. What the harness said is in out/cloud-hypervisor/compare/.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
[ $# -ge 2 ] || {
	echo "usage: compare.sh TREE VMM [TEST...]" >&2
	exit 2
}
tree=$1 release=$2
shift 2
tests=("$@")
[ ${#tests[@]} -gt 0 ] || mapfile -t tests < <(sed 's/ *#.*//; /^$/d' "$here/chosen.txt")
logs=$repository/out/cloud-hypervisor/compare
tries=3
# A test that waits for ever leaves its host at rest; none of those that end does for so long.
export MEMCTL_STALL_SECONDS=${MEMCTL_STALL_SECONDS:-300}
mkdir -p "$logs"

# outcome LOG TEST: its result and time; nothing if it has none
outcome() {
	awk -v test="$2" '
		$1 == "test" && $2 == test { running = 1 }
		running && match($0, /(ok|FAILED) <[0-9.]+s>/) {
			split(substr($0, RSTART), words, "[<s]")
			printf "%s, %.0f s\n", substr($0, RSTART, 2) == "ok" ? "pass" : "fail", words[2]
			running = 0
		}' "$1" | tail -n 1
}

# run LOG TEST OPTION...: in a host of its own. One that did not last, or rested, is followed by another one.
run() {
	local log=$1 test=$2 try
	shift 2
	: > "$log"
	for ((try = 1; try <= tries; try++)); do
		"$here/run.sh" -b integration "$@" "$tree" --exact "$test" >> "$log" 2>&1 || true
		[ -z "$(outcome "$log" "$test")" ] || break
	done
}

status=0
for test in "${tests[@]}"; do
	name=${test##*::}
	run "$logs/$name.release.log" "$test" -c "$release"
	run "$logs/$name.memctl.log" "$test" -d
	before=$(outcome "$logs/$name.release.log" "$test")
	after=$(outcome "$logs/$name.memctl.log" "$test")
	# shellcheck disable=SC2016 # Markdown
	printf '| `%s` | %s | %s |\n' "$name" "${before:-none}" "${after:-none}"
	[[ $before != pass* || $after == pass* ]] || status=1
done
exit $status
