#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The packages that are made of this build, TAP on standard output: lintian, the same bytes from another folder, what is linked
# in, and a clean Debian in which they are installed, used and removed. Beside them a static program: it can't load the plugin,
# and has it linked in.
# shellcheck disable=SC2317 # row calls the functions
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$top/tests/host/debian.sh"
out=$top/out
packages=$out/packages
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct)
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
failed=0

# row NAME COMMAND...: one test; what COMMAND says is shown if it fails.
row() {
	local name=$1
	shift
	number=$((number + 1))
	# In a process of its own, as bash heeds no -e in what an if tests.
	(set -e && "$@") > "$work/said" 2>&1 &
	if wait $!; then
		echo "ok $number - $name"
	else
		sed 's/^/# /' "$work/said"
		echo "not ok $number - $name"
		failed=1
	fi
}

# What is in the checkout, in a folder whose path is longer.
build_elsewhere() {
	local copy=$work/another/folder/of/this/checkout
	mkdir -p "$copy"
	(cd "$top" && git ls-files -co --exclude-standard | while read -r file; do
		[ ! -e "$file" ] || echo "$file"
	done | tar -T - -cf -) | tar -C "$copy" -xf -
	"$copy/build.sh" managed
	"$copy/native/packages/make.sh" debian
	mv "$copy/out/packages" "$work/elsewhere"
}

same_bytes() {
	local package
	cat "$work/elsewhere.log"
	for package in "$packages"/*.deb; do
		cmp "$package" "$work/elsewhere/${package##*/}"
	done
}

names_what_is_linked_in() {
	local name
	"$top/native/packages/sbom.pl" 1.0.0 "$SOURCE_DATE_EPOCH" > "$work/sbom.json"
	perl -MJSON::PP -0777 -ne 'JSON::PP->new->decode($_)' "$work/sbom.json"
	# A NuGet package of the plugin, the compiler whose runtime is in it, a crate of the VMM, a crate that another one needs.
	for name in Microsoft.Extensions.Logging ILCompiler kvm-ioctls libseccomp-sys; do
		grep -iq "\"name\" : \".*$name\"" "$work/sbom.json" || {
			echo "$name is missing"
			return 1
		}
	done
	# Neither a test's package nor a macro's is.
	! grep -iE 'xunit|"syn"' "$work/sbom.json" || return 1
}

# A tree that has of Cloud Hypervisor only what the shim meets.
shim_of_the_tarball_goes_in() {
	local tree=$work/tree
	"$top/native/packages/make.sh" sources "$work/tarball"
	mkdir -p "$tree/cloud-hypervisor"
	touch "$tree/cloud-hypervisor/Cargo.toml"
	printf '[workspace]\nmembers = [\n  "net_util",\n]\n' > "$tree/Cargo.toml"
	printf '[[package]]\nname = "zstd"\nsource = "registry"\n' > "$tree/Cargo.lock"
	git -C "$tree" init --quiet
	git -C "$tree" add .
	git -C "$tree" -c user.name=test -c user.email=test@packages.invalid commit --quiet --message start
	"$work/tarball/rust-shim/cloud-hypervisor/apply.sh" --shim-only "$tree"
	git -C "$tree" show --name-only | grep -x memctl-shim/src/lib.rs
}

# build_static OPTION...: the shim's example as a static program.
build_static() {
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
		cargo build --quiet --config "$top/.cache/cargo.toml" --manifest-path "$top/rust-shim/Cargo.toml" -p memctl-shim \
		--example identity --target x86_64-unknown-linux-gnu --target-dir "$out/static" "$@"
}
program=$out/static/x86_64-unknown-linux-gnu/debug/examples/identity

static_program() {
	build_static
	! "$program" "$out/libmemctl.so" > "$work/static" 2>&1 || return 1
	cat "$work/static"
	grep -q 'this program is linked statically, so it cannot load .*/libmemctl.so; build it for' "$work/static"
}

linked_in() {
	"$top/build.sh" static-library
	MEMCTL_STATIC_LIBRARY=$out/static-library build_static --features static
	file "$program" | grep -q 'static.* linked'
	"$program" | tee /dev/stderr | grep -q '^1ae0:0087, ABI '
}

# in_clean_root: an overlay over the clean Debian, gone with its namespace.
in_clean_root() {
	local root
	root=$("$here/root.sh")
	mkdir -p "$work/upper" "$work/root"
	# shellcheck disable=SC2016 # the inner shell expands these
	unshare --mount --pid --fork bash -euc '
		mount -t tmpfs tmpfs "$2"
		mkdir "$2"/{changes,work}
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/changes,workdir=$2/work" "$3"
		mount -t proc proc "$3/proc"
		mkdir "$3/packages"
		cp "$4"/*.deb "$5" "$3/packages/"
		exec chroot "$3" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin bash "/packages/${5##*/}"
	' bash "$root" "$work/upper" "$work/root" "$packages" "$here/in-root.sh"
}

row "the Debian packages are made" "$top/native/packages/make.sh" debian
(build_elsewhere) > "$work/elsewhere.log" 2>&1 &
elsewhere=$!
need_programs lintian lintian file file
row "lintian finds nothing" lintian --allow-root --fail-on error,warning "$packages"/*.deb
row "the list of what is linked in is whole" names_what_is_linked_in
row "the tarball's shim goes into a tree" shim_of_the_tarball_goes_in
row "a static program says why it can't load the plugin" static_program
row "a static program has the plugin linked in" linked_in
wait "$elsewhere" || true
row "a build in another folder gives the same bytes" same_bytes
if [ "$(id -u)" = 0 ]; then
	in_clean_root > "$work/in-root" || failed=1
	while read -r line; do
		case $line in
		"ok - "* | "not ok - "*)
			number=$((number + 1))
			echo "${line%% - *} $number - clean Debian: ${line#* - }"
			;;
		*) echo "# $line" ;;
		esac
	done < "$work/in-root"
else
	number=$((number + 1))
	echo "ok $number - clean Debian # SKIP only root can make one"
fi
echo "1..$number"
exit "$failed"
