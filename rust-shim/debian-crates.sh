#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that cargo finds its crates, and writes the configuration that says where:
#
#     rust-shim/debian-crates.sh
#     cargo build --config .cache/cargo.toml --manifest-path rust-shim/Cargo.toml
#
# Where the crate registry answers, that configuration is empty. Elsewhere the crates come from Debian 13, whose
# librust-*-dev packages hold their sources: fetched by apt from the mirror that this machine is set up with, checked
# against Debian's keys, unpacked into the user's cache (tests/host/README.md) and never installed (apt would bring
# Debian's compiler along). What is wanted is the table [workspace.dependencies] of Cargo.toml; what they need in turn,
# apt resolves. Root is not needed. A second run for the same crates does nothing.
set -euo pipefail

suite=trixie

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/host/debian.sh
. "$here/../tests/host/debian.sh"
top=$(dirname "$here")
configuration=$top/.cache/cargo.toml

# The names on the left of [workspace.dependencies], one a line.
wanted_crates() {
	awk '/^\[/ { inside = ($0 == "[workspace.dependencies]") }
	     inside && /^[a-z]/ { print $1 }' "$here/Cargo.toml"
}

# Asks the registry for the smallest crate graph there is, in a package made for it.
registry_answers() {
	local probe=$1/probe
	mkdir -p "$probe/src"
	: >"$probe/src/lib.rs"
	printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nlibc = "0.2"\n' \
		>"$probe/Cargo.toml"
	CARGO_NET_RETRY=0 CARGO_HTTP_TIMEOUT=10 timeout 30 \
		cargo generate-lockfile --quiet --manifest-path "$probe/Cargo.toml" 2>/dev/null
}

# fetch_from_debian WORK CRATES PACKAGE...: into the folder CRATES, by way of WORK. PACKAGE is without librust-. Nothing counts
# as installed, so apt resolves every dependency.
fetch_from_debian() {
	local work=$1 crates=$2 closure
	shift 2
	prepare_suite "$suite"
	suite_apt "$suite" apt-get install --simulate --no-install-recommends "${@/#/librust-}" >"$work/plan" ||
		die "Debian $suite lacks one of: ${*/#/librust-}"
	mapfile -t closure < <(awk '$1 == "Inst" && $2 ~ /^librust-/ { print $2 }' "$work/plan" | sort -u)
	unpack "$suite" "$work" "${closure[@]}"

	mkdir -p "$(dirname "$crates")"
	mv "$work/usr/share/cargo/registry" "$crates"
}

mapfile -t list < <(wanted_crates)
cache=$(memctl_cache "$top")
crates=$cache/crates/$(printf '%s\n' "$suite" "${list[@]}" | sha256sum | cut -c -12)
answers="# The crate registry answers: nothing to replace."
replaced="directory = \"$crates\""
if [ -f "$configuration" ] &&
	{ grep -qxF "$answers" "$configuration" || { [ -d "$crates" ] && grep -qxF "$replaced" "$configuration"; }; }; then
	exit 0
fi

mkdir -p "$(dirname "$configuration")"
work=$(mktemp -d "$cache/crates.XXXXXX")
trap 'rm -rf "$work"' EXIT
if registry_answers "$work"; then
	echo "$answers" >"$configuration"
	exit 0
fi
exec 9>"$cache/crates.lock"
flock 9
if [ ! -d "$crates" ]; then
	echo "debian-crates.sh: the crate registry does not answer; taking the crates from Debian $suite" >&2
	mapfile -t packages < <(printf '%s-dev\n' "${list[@]//_/-}")
	fetch_from_debian "$work" "$crates" "${packages[@]}"
fi
printf '%s\n' '[source.crates-io]' 'replace-with = "debian"' '[source.debian]' "$replaced" >"$configuration"
