#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# apply.sh [--check] TREE: puts the memctl device into a Cloud Hypervisor v53.0
# source tree: our files, the shim's sources, and the patch. With --check only
# says whether that can be done. Exits with 1 and the reason if TREE is another
# version, was changed in a place that the patch touches, or has it already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
shim=$here/../memctl-shim
patch=$here/cloud-hypervisor-v53.0.patch

stop() {
	echo "apply.sh: $*" >&2
	exit 1
}

check=
if [ "${1:-}" = --check ]; then
	check=1
	shift
fi
[ $# = 1 ] || stop "usage: apply.sh [--check] TREE"
tree=$1

[ -f "$tree/cloud-hypervisor/Cargo.toml" ] || stop "$tree is no Cloud Hypervisor source tree"
if [ -e "$tree/vmm/src/memctl" ]; then
	stop "$tree has the memctl device already"
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/cloud-hypervisor/Cargo.toml")
[ "$version" = 53.0.0 ] || stop "$tree is version $version; the patch is for 53.0.0 (tag v53.0)"

# The patch has no lines of context, so the files must be those it was made from to the byte.
changed=$(cd "$tree" && sha256sum --check --quiet "$here/v53.0.sha256" 2> /dev/null | sed 's/: .*//') || true
[ -z "$changed" ] || stop "$tree is not v53.0 as released; these files differ: ${changed//$'\n'/ }"

if [ -n "$check" ]; then
	echo "apply.sh: $tree is v53.0; the patch applies"
	exit 0
fi

cp -R "$here/tree/." "$tree/"
mkdir -p "$tree/memctl-shim/src"
cp "$shim"/src/*.rs "$tree/memctl-shim/src/"
cp "$here/../rustfmt.toml" "$tree/memctl-shim/"
patch --quiet --strip=1 --fuzz=0 --no-backup-if-mismatch --directory="$tree" < "$patch"
# Where the new package comes from is where the others do.
source=$(grep -m 1 '^source = "registry' "$tree/Cargo.lock")
sed -i "/^name = \"libloading\"/{n;s|\$|\n$source|}" "$tree/Cargo.lock"
echo "apply.sh: $tree has the memctl device; build it with --features memctl"
