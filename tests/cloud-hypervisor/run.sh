#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [OPTION...] TREE [TEST...]: Cloud Hypervisor's integration
# tests on a tree that has been built with memctl, in a host whose KVM runs
# Linux. Prints the harness's own output; its status is the harness's.
#
#   TREE  where the tree was built: the harness has that path compiled in
#   TEST  as the harness filters names; all tests of the binary otherwise
#   -b    integration test binary: memctl (the default), or integration
#   -c    the VMM instead of the tree's, such as one without memctl
#   -d    gives each VM that is created a memctl device (--memctl-default)
#   -l    plugin of a later version (test_memctl_live_migration_between_versions,
#         ..._refused_state); out/later/libmemctl.so after ./build.sh test rehearsals
#   -m    MiB of an emulated host (7168)
#   -p    gives an emulated host a simulated vDPA disk (test_memctl_vdpa)
#   -v    gives an emulated host a disk to pass through (test_memctl_vfio)
#
# CARGO_TARGET_DIR names the tree's target folder if it is another one. PLUGIN
# is the plugin, out/libmemctl.so by default. What has to be built in the tree:
#
#   cargo build --release --features memctl
#   cargo rustc --release -p cloud-hypervisor --features memctl --test memctl -- --cfg devcli_testenv
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"
out=$repository/out/cloud-hypervisor
# One test boots, plugs, saves and restores in some minutes where processors are emulated.
limit_seconds=3600

usage() {
	die "usage: run.sh [-b BINARY] [-c VMM] [-d] [-l PLUGIN] [-m MIB] [-p] [-v] TREE [TEST...]"
}

binary=memctl vmm='' memory=7168 default='' vdpa='' disk=''
while getopts b:c:dl:m:pv option; do
	case $option in
	b) binary=$OPTARG ;;
	c) vmm=$(realpath "$OPTARG") ;;
	d) default=yes ;;
	l)
		MEMCTL_LATER_PLUGIN=$(realpath "$OPTARG")
		export MEMCTL_LATER_PLUGIN
		;;
	m) memory=$OPTARG ;;
	p) vdpa=$out/vdpa ;;
	v) disk=$out/disk.img ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
tree=$(realpath "$1")
shift
target=$(realpath "${CARGO_TARGET_DIR:-$tree/target}")
plugin=$(realpath "${PLUGIN:-$repository/out/libmemctl.so}")

# newest PATTERN: the program that was built last
newest() {
	find "$target" -path "$1" -type f -perm -u+x -printf '%T@ %p\n' 2> /dev/null |
		sort -rn | sed -n '1s/^[^ ]* //p'
}
[ -n "$vmm" ] || vmm=$(newest '*/release/cloud-hypervisor')
remote=$(newest '*/release/ch-remote')
harness=$(newest "*/deps/$binary-*")
for file in "$vmm" "$remote" "$harness" "$plugin"; do
	[ -f "$file" ] || die "$tree: not built: the VMM, ch-remote, the test binary $binary, or the plugin (see run.sh)"
done

need_programs mkdosfs dosfstools mcopy mtools socat socat ip iproute2
"$here/guest.sh"
# The harness starts what it finds in TREE/target/$BUILD_TARGET/release. It passes no initramfs, which Debian's
# kernel needs: neither on the command line nor in the body of vm.create.
mkdir -p "$out/bin/release" "$tree/target"
[ -z "$default" ] || default="--memctl-default 'plugin=$plugin'"
cat > "$out/bin/release/cloud-hypervisor" <<-WRAPPER
	#!/bin/sh
	case " \$* " in
	*" --kernel "*) exec '$vmm' "\$@" $default --initramfs '$out/initramfs.img' ;;
	esac
	exec '$vmm' "\$@" $default
WRAPPER
cat > "$out/bin/release/ch-remote" <<-WRAPPER
	#!/bin/sh
	case " \$* " in
	*" create "*)
		for body; do :; done
		sed -i '/"initramfs"/!s|"payload":{|&"initramfs":"$out/initramfs.img",|' "\$body"
		;;
	esac
	exec '$remote' "\$@"
WRAPPER
chmod +x "$out"/bin/release/*

if [ -n "$vdpa" ]; then
	"$here/vdpa.sh" "$vdpa"
	export MEMCTL_VDPA_MODULES=$vdpa
fi
if [ -n "$disk" ]; then
	# As memctl-dma expects it.
	perl -e 'print pack "C*", map { ($_ + ($_ >> 12)) & 255 } $_ << 12 .. ($_ << 12) + 4095 for 0 .. 1023' > "$disk"
	export MEMCTL_PASSTHROUGH=$disk
fi
# A test that lacks what it needs returns at once, and the harness calls that passed: it is left out.
[ -n "${MEMCTL_LATER_PLUGIN:-}" ] || set -- "$@" --skip between_versions --skip refused_state
[ -n "$vdpa" ] || set -- "$@" --skip test_memctl_vdpa
[ -n "$disk" ] || set -- "$@" --skip test_memctl_vfio
drivers=$(echo "$("$here/../host/fetch.sh" 6.1)"/lib/modules/*/kernel/drivers)
export MEMCTL_BODIES=$here/bodies MEMCTL_DRIVERS=$drivers MEMCTL_PLUGIN=$plugin MEMCTL_GUEST=$out/driver MEMCTL_WORKLOADS=$out/workloads
MEMCTL_BUILD_TARGET=$(realpath --relative-to="$tree/target" "$out/bin")
export MEMCTL_BUILD_TARGET
exec "$here/../host/with-kvm.sh" -k debian -m "$memory" -t "$limit_seconds" linux -- \
	"$here/in-host.sh" "$harness" "$@"
