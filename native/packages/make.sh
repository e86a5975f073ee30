#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# make.sh debian|tarballs|sources FOLDER: makes packages of what ./build.sh has built, into out/packages.
#
#   debian     the Debian packages: plugin, host's commands, guest's command, driver
#   tarballs   the same as files for other systems, with the Cloud Hypervisor series; the symbols; the list of what is
#              linked in (SPDX); SHA256SUMS
#   sources    only what the tarball has of the checkout, into FOLDER
#
# The same checkout gives the same bytes, wherever it is: no path of it gets into a file, and every time is that of its last
# commit, or SOURCE_DATE_EPOCH. The packages' maintainer is DEBFULLNAME <DEBEMAIL>.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
built=$top/out
packages=$built/packages
# debhelper takes no path with a space.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/host/debian.sh
. "$top/tests/host/debian.sh"

version=$(sed -n 's/.*<Version>\(.*\)<\/Version>.*/\1/p' "$top/Directory.Build.props")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
maintainer="${DEBFULLNAME:-The memctl authors} <${DEBEMAIL:-memctl@packages.invalid}>"

# What dpkg-buildpackage takes for a source tree: the built files and the rules that place them.
stage() {
	local tree=$work/memctl-$version
	mkdir -p "$tree/built"
	cp "$built/libmemctl.so" "$built/memctl-top" "$built/memctl_plugin.h" "$tree/built/"
	cp -r "$here/debian" "$here/etc" "$here/cloud-hypervisor" "$tree/"
	cp -r "$top/native/guest" "$top/docs" "$tree/"
	mkdir "$tree/top"
	cp -r "$top"/src/Memctl.Top/{man,completion} "$tree/top/"
	sed -i "s/@MAINTAINER@/$maintainer/" "$tree/debian/control"
	cat >"$tree/debian/changelog" <<-CHANGELOG
		memctl ($version) unstable; urgency=medium

		  * Version $version: see CHANGELOG.md of the sources.

		 -- $maintainer  $(date -Rd "@$SOURCE_DATE_EPOCH")
	CHANGELOG
	echo "$tree"
}

debian() {
	need_programs dh debhelper dh_dkms dh-dkms dpkg-buildpackage dpkg-dev fakeroot fakeroot
	local tree
	tree=$(stage)
	(cd "$tree" && dpkg-buildpackage --no-sign --build=binary >"$packages/debian.log" 2>&1) ||
		die "dpkg-buildpackage failed: $packages/debian.log"
	rm -f "$packages"/*.deb
	mv "$work"/*.deb "$packages/"
}

# archive NAME: out/packages/NAME.tar.xz of the folder of that name.
archive() {
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$1" |
		xz -T1 >"$packages/$1.tar.xz"
}

# rustfmt.toml goes with the shim into Cloud Hypervisor's tree.
sources() {
	mkdir -p "$1"
	(cd "$top" && git ls-files -co --exclude-standard -- rust-shim/cloud-hypervisor rust-shim/memctl-shim rust-shim/rustfmt.toml \
		native/guest docs README.md CHANGELOG.md LICENSE | tar -T - -cf -) | tar -C "$1" -xf -
}

tarballs() {
	local name=memctl-$version-linux-x64 symbols=memctl-$version-linux-x64-symbols
	mkdir -p "$work/$name"/{bin,lib,include} "$work/$symbols"
	cp "$built/libmemctl.so" "$work/$name/lib/"
	cp "$built/memctl-top" "$work/$name/bin/"
	cp "$built/plugin/libmemctl.so.dbg" "$built/top/memctl-top.dbg" "$work/$symbols/"
	cp "$built/memctl_plugin.h" "$work/$name/include/"
	objcopy --only-keep-debug "$packages/bin/memctl-vmm" "$work/$symbols/memctl-vmm.dbg"
	objcopy --strip-all --add-gnu-debuglink="$work/$symbols/memctl-vmm.dbg" "$packages/bin/memctl-vmm" "$work/$name/bin/memctl-vmm"
	sources "$work/$name"
	rm -f "$packages"/*.tar.xz "$packages"/*.spdx.json
	archive "$name"
	archive "$symbols"
	"$here/sbom.pl" "$version" "$SOURCE_DATE_EPOCH" >"$packages/memctl-$version.spdx.json"
	(cd "$packages" && sha256sum -- *.deb *.tar.xz *.spdx.json >SHA256SUMS)
}

mkdir -p "$packages"
case ${1:-} in
debian | tarballs) "$1" ;;
sources) sources "${2:?FOLDER}" ;;
*) die "debian, tarballs or sources" ;;
esac
