#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [--needs|--path]: prints the path of the emulated host's own kernel. It
# is compiled first if the cache has none of this configuration: Debian's kernel
# source package, kernel.config, and about ten minutes of two processors, at the
# lowest priority. Who asks meanwhile waits for it. With --needs it only installs
# what that takes, or names it; with --path it compiles nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/debian.sh"
readonly release=trixie source=linux-source-6.12
cache=$(memctl_cache "$(cd "$here/../.." && pwd -P)")
folder=$cache/host-kernel
image=$folder/$source-$(sha256sum < "$here/kernel.config" | cut -c 1-12)

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
	make -s -C "$work/$source" O="$work/build" allnoconfig KCONFIG_ALLCONFIG="$here/kernel.config"
	setpriv --pdeathsig TERM nice -n 19 make -s -C "$work/$source" O="$work/build" -j "$(nproc)" bzImage
	mv "$work/build/arch/x86/boot/bzImage" "$image"
	rm -rf "$work"
}

if [ "${1:-}" = --path ]; then
	echo "$image"
	exit
fi
[ -e "$image" ] || need_programs gcc gcc make make flex flex bison bison bc bc xz xz-utils /usr/include/libelf.h libelf-dev
[ "${1:-}" != --needs ] || exit 0
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ ! -e "$image" ]; then
	echo "compiling the emulated host's kernel; its log: $folder/log" >&2
	compile > "$folder/log" 2>&1 || {
		tail -n 20 "$folder/log" >&2
		die "the kernel of the emulated host does not compile"
	}
fi
echo "$image"
