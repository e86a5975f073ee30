#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [--needs|--path]: prints the path of the emulated host's own kernel. It
# is compiled first if the cache has none of this configuration: Debian's kernel
# source package, kernel.config, and about ten minutes of two processors, at the
# lowest priority. Who asks meanwhile waits for it. With --needs it only installs
# what that takes, or names it; with --path it compiles nothing.
#
# kernel.sh CONFIG GUEST: the same for a guest's vmlinux of another configuration,
# with the driver of the folder GUEST built in as docs/kata.md says.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/debian.sh"
readonly release=trixie source=linux-source-6.12
cache=$(memctl_cache "$(cd "$here/../.." && pwd -P)")
folder=$cache/host-kernel
mode='' config=$here/kernel.config guest='' target=arch/x86/boot/bzImage
case ${1:-} in
--*) mode=$1 ;;
?*) config=$(realpath "$1") guest=$(realpath "$2") target=vmlinux ;;
esac
# what CONFIG and GUEST are
parts() {
	cat "$config"
	[ -z "$guest" ] || find "$guest"/{driver,include,memctl.config} -type f -print0 | sort -z | xargs -0 cat
}
image=$folder/$source-$(parts | sha256sum | cut -c 1-12)

# What no Kconfig or Makefile of ours reaches: it is the larger part.
unused=(
	'*/Documentation/*.rst' '*/Documentation/*.yaml' '*/Documentation/*.txt'
	'*.dts' '*.dtsi' '*/tools/testing/*' '*/tools/perf/*'
	'*/drivers/gpu/*/*.[ch]' '*/drivers/net/*/*.[ch]' '*/drivers/media/*.[ch]'
	'*/drivers/staging/*.[ch]' '*/sound/*.[ch]'
)

compile() {
	local work=$folder/work
	rm -rf "$work"
	mkdir -p "$work/build"
	prepare_suite "$release"
	unpack "$release" "$work" "$source"
	tar -C "$work" -xJf "$work/usr/src/$source.tar.xz" "${unused[@]/#/--exclude=}"
	make -s -C "$work/$source" O="$work/build" allnoconfig KCONFIG_ALLCONFIG="$config"
	if [ -n "$guest" ]; then
		make -C "$guest" in_tree LINUX="$work/$source"
		(
			cd "$work/build"
			"$work/$source/scripts/kconfig/merge_config.sh" -m .config "$guest/memctl.config"
			make olddefconfig
		)
		grep -qx CONFIG_MEMCTL_REPORT_FREE=y "$work/build/.config"
	fi
	setpriv --pdeathsig TERM nice -n 19 make -s -C "$work/$source" O="$work/build" -j "$(nproc)" "${target##*/}"
	mv "$work/build/$target" "$image"
	rm -rf "$work"
}

if [ "$mode" = --path ]; then
	echo "$image"
	exit
fi
[ -e "$image" ] || need_programs gcc gcc make make flex flex bison bison bc bc xz xz-utils /usr/include/libelf.h libelf-dev
[ "$mode" != --needs ] || exit 0
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ ! -e "$image" ]; then
	echo "compiling a kernel; its log: $folder/log" >&2
	compile > "$folder/log" 2>&1 || {
		tail -n 20 "$folder/log" >&2
		die "the kernel does not compile"
	}
fi
echo "$image"
