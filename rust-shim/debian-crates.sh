#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that cargo finds its crates, and writes the configuration that says where:
#
#     rust-shim/debian-crates.sh [CRATE...]
#     cargo build --config .cache/cargo.toml --manifest-path rust-shim/Cargo.toml
#
# Where the crate registry answers, that configuration is empty. Elsewhere the crates come from Debian 13, whose
# librust-*-dev packages hold their sources: fetched by apt from the mirror that this machine is set up with, checked
# against Debian's keys, unpacked into .cache/crates and never installed (apt would bring Debian's compiler
# along). What is wanted is the table [workspace.dependencies] of Cargo.toml and the CRATEs named here; what they need in
# turn, apt resolves. Root is not needed. A second run for the same crates, or fewer, does nothing.
set -euo pipefail

readonly suite=trixie
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(dirname "$here")/.cache
crates=$cache/crates
configuration=$cache/cargo.toml
stamp=$cache/cargo.stamp

die() {
	echo "debian-crates.sh: $*" >&2
	exit 1
}

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

# The mirror of the Debian archive that apt is set up with here (not that of security updates).
debian_mirror() {
	# shellcheck disable=SC2016 # apt's fields, not the shell's variables
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

fetch_from_debian() {
	local work=$1 mirror packages name
	shift
	for name in apt-get dpkg-deb; do
		command -v "$name" >/dev/null ||
			die "the crate registry does not answer, and without $name its crates can't come from Debian instead"
	done
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "the crate registry does not answer, and apt knows no Debian mirror (run: apt-get update)"
	[ -r "$keyring" ] || die "the crate registry does not answer, and $keyring is missing (package debian-archive-keyring)"

	# A state of its own, in which nothing is installed: so every dependency counts, and the machine's apt is not touched.
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/unpacked"
	: >"$work/status"
	echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
	cat >"$work/apt.conf" <<-CONF
		Dir::State "$work/state";
		Dir::State::status "$work/status";
		Dir::Cache "$work/cache";
		Dir::Etc::sourcelist "$work/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
		APT::Install-Recommends "false";
		APT::Sandbox::User "$(id -un)";
	CONF
	export APT_CONFIG=$work/apt.conf

	apt-get update -qq || die "could not read the package lists of Debian $suite"
	packages=()
	for name in "$@"; do packages+=("librust-${name//_/-}-dev"); done
	apt-get install --simulate -qq "${packages[@]}" >"$work/plan" || die "Debian $suite lacks one of: ${packages[*]}"
	awk '$1 == "Inst" && $2 ~ /^librust-/ { print $2 }' "$work/plan" | sort -u >"$work/closure"
	(cd "$work/debs" && xargs apt-get download -qq <"$work/closure") || die "could not fetch the crates of Debian $suite"
	for name in "$work"/debs/*.deb; do dpkg-deb -x "$name" "$work/unpacked"; done

	rm -rf "$crates"
	mv "$work/unpacked/usr/share/cargo/registry" "$crates"
	cat >"$work/cargo.toml" <<-TOML
		[source.crates-io]
		replace-with = "debian"
		[source.debian]
		directory = "$crates"
	TOML
}

mapfile -t list < <({ wanted_crates; printf '%s\n' "$@"; } | sed '/^$/d' | sort -u)
if [ -f "$configuration" ] && [ -f "$stamp" ] &&
	[ -z "$(printf '%s\n' "$suite" "${list[@]}" | sort -u | comm -23 - "$stamp")" ]; then
	exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
if registry_answers "$work"; then
	echo "# The crate registry answers: nothing to replace." >"$work/cargo.toml"
else
	echo "debian-crates.sh: the crate registry does not answer; taking the crates from Debian $suite" >&2
	fetch_from_debian "$work" "${list[@]}"
fi
mv "$work/cargo.toml" "$configuration"
printf '%s\n' "$suite" "${list[@]}" | sort -u >"$stamp"
