#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# apply.sh [--check|--shim-only] TREE: commits the memctl device to TREE, a git
# work tree of Cloud Hypervisor v53.0 or one with changes of its own. First the
# shim becomes a member of the workspace, then the patches of series/ are
# applied with a three-way merge. If one conflicts, the files are named and TREE
# is as it was before. --check does it in a work tree that is removed again;
# --shim-only leaves the series out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
shim=$here/../memctl-shim
release=9ed824d6d08df3e96f7d5f50795d9449ac99f431 # v53.0

stop() {
	echo "apply.sh: $*" >&2
	exit 1
}

mode=apply
case ${1:-} in
--check | --shim-only)
	mode=${1#--}
	shift
	;;
esac
[ $# = 1 ] || stop "usage: apply.sh [--check|--shim-only] TREE"
tree=$(realpath "$1")

[ -f "$tree/cloud-hypervisor/Cargo.toml" ] || stop "$tree is no Cloud Hypervisor source tree"
[ "$(git -C "$tree" rev-parse --show-toplevel 2> /dev/null)" = "$tree" ] || stop "$tree is no git work tree"
[ ! -e "$tree/vmm/src/memctl" ] || stop "$tree has the memctl device already"
if [ "$mode" = check ]; then
	copy=$(mktemp -d)
	trap 'git -C "$tree" worktree remove --force "$copy/tree" 2> /dev/null || true; rm -rf "$copy"' EXIT
	git -C "$tree" worktree add --quiet --detach "$copy/tree"
	"$0" "$copy/tree" > /dev/null
	echo "apply.sh: the series applies to $(git -C "$tree" describe --always --tags)"
	exit 0
fi
[ -z "$(git -C "$tree" status --porcelain --untracked-files=no)" ] || stop "$tree has changes that are not committed"

# Whoever has no name in git's configuration signs off as the series does.
in_tree() {
	if git -C "$tree" var GIT_COMMITTER_IDENT > /dev/null 2>&1; then
		git -C "$tree" "$@"
	else
		git -C "$tree" -c user.name="$author_name" -c user.email="$author_email" "$@"
	fi
}
author=$(sed -n 's/^From: //p' "$here"/series/0001-*.patch 2> /dev/null | head -n 1 || true)
author_name=${author% <*} author_email=${author##*<}
author_email=${author_email%>}

# add_package FILE: one [[package]] of a lock file, at its place among the others. It comes from where they do.
add_package() {
	local name source
	name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$1")
	! grep -qx "name = \"$name\"" "$tree/Cargo.lock" || return 0
	source=$(grep -m 1 '^source = "registry' "$tree/Cargo.lock")
	awk -v RS= -v name="$name" -v source="$source" -v file="$1" '
		function added(	package) {
			getline package < file
			sub(/\nchecksum/, "\n" source "&", package)
			print package "\n"
		}
		$1 == "[[package]]" && !done && $4 > "\"" name "\"" { added(); done = 1 }
		{ print $0 "\n" }' "$tree/Cargo.lock" | sed '$d' > "$tree/Cargo.lock.new"
	mv "$tree/Cargo.lock.new" "$tree/Cargo.lock"
}

# provide_bases: a three-way merge needs what the patches were made from, files between v53.0 and the whole series, which no
# repository has. They are made by applying the series to v53.0, if TREE's history has it.
provide_bases() {
	local scratch
	git -C "$tree" cat-file -e "$release^{commit}" 2> /dev/null || return 0
	scratch=$(mktemp -d)
	git -C "$tree" worktree add --quiet --detach "$scratch/tree" "$release"
	"$0" --shim-only "$scratch/tree"
	git -C "$scratch/tree" -c user.name=apply.sh -c user.email=apply.sh am --quiet "$here"/series/*.patch
	git -C "$tree" worktree remove --force "$scratch/tree"
	rmdir "$scratch"
}

before=$(git -C "$tree" rev-parse HEAD)
mkdir -p "$tree/memctl-shim"
cp -R "$shim/src" "$tree/memctl-shim/"
cp "$here/../rustfmt.toml" "$here/member/Cargo.toml" "$tree/memctl-shim/"
sed -i 's/^  "net_util",$/  "memctl-shim",\n&/' "$tree/Cargo.toml"
add_package "$here/member/libloading.lock"
add_package "$here/member/memctl-shim.lock"
git -C "$tree" add memctl-shim Cargo.toml Cargo.lock
in_tree commit --quiet --signoff --message "misc: Add memctl-shim to the workspace

It loads the plugin with the memctl device and offers it as a safe API."
[ "$mode" = apply ] || exit 0

[ "$before" = "$release" ] || provide_bases
if ! in_tree am --quiet --3way "$here"/series/*.patch > /dev/null 2>&1; then
	files=$(git -C "$tree" diff --name-only --diff-filter=U)
	[ -n "$files" ] || files=$(git -C "$tree" am --show-current-patch=diff | sed -n 's|^+++ b/||p')
	subject=$(git -C "$tree" am --show-current-patch=raw | sed -n 's/^Subject: //p')
	git -C "$tree" am --abort
	git -C "$tree" reset --quiet --hard "$before"
	stop "\"$subject\" conflicts with $tree in: ${files//$'\n'/ }"
fi
echo "apply.sh: $tree has the memctl device; build it with --features memctl"
