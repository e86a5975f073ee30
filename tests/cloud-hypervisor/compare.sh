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
mkdir -p "$logs"

# outcome LOG TEST: its result and time; nothing if it has none
outcome() {
	awk -v test="$2" '
		$1 == "test" && $2 == test { running = 1 }
		running && match($0, /(ok|FAILED)[^ ]* <[0-9.]+s>$/) {
			split(substr($0, RSTART), words, "[<s]")
			printf "%s, %.0f s\n", substr($0, RSTART, 2) == "ok" ? "pass" : "fail", words[2]
			running = 0
		}' "$1" | tail -n 1
}

# run_all LOG OPTION...: an emulated host that does not last is followed by another one, for the tests that are left.
run_all() {
	local log=$1 try test left
	shift
	: > "$log"
	for ((try = 1; try <= tries; try++)); do
		left=()
		for test in "${tests[@]}"; do
			[ -n "$(outcome "$log" "$test")" ] || left+=("$test")
		done
		[ ${#left[@]} -gt 0 ] || break
		"$here/run.sh" -b integration "$@" "$tree" --exact "${left[@]}" >> "$log" 2>&1 || true
	done
}

run_all "$logs/release.log" -c "$release"
run_all "$logs/memctl.log" -d
status=0
for test in "${tests[@]}"; do
	before=$(outcome "$logs/release.log" "$test")
	after=$(outcome "$logs/memctl.log" "$test")
	# shellcheck disable=SC2016 # Markdown
	printf '| `%s` | %s | %s |\n' "${test##*::}" "${before:-none}" "${after:-none}"
	[[ $before != pass* || $after == pass* ]] || status=1
done
exit $status
