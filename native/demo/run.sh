#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `./build.sh demo` runs after the build. MEMCTL_OUT: where the build is (default: out at the top).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
top=$(CDPATH='' cd -- "$here/../.." && pwd -P)
MEMCTL_OUT=${MEMCTL_OUT:-$top/out}
export MEMCTL_OUT

cat <<'TEXT'

memctl demo: what a guest can ask of the memory behind it, and what the host's kernel then shows

  1. memctl-vmm starts a small guest without an operating system, with libmemctl.so as its memctl device.
  2. The guest makes 20 requests, each for a range of its own memory: free it, lock it, protect it, name it.
  3. Before and after each, this program reads what the kernel reports of that range of the VMM (/proc/PID/smaps and
     pagemap), checks it, and checks that nothing around the range changed.
  Once with private guest RAM and once with shared. It takes about 10 seconds, and one to two minutes on a machine without
  a usable /dev/kvm, where the host is emulated. Where an effect can't be seen on this host, the row says why.

TEXT
# Paths without a space, as make needs them.
observer=$here/../selftest/host
make -s -C "$observer" OUT="$(realpath --relative-to="$observer" "$MEMCTL_OUT")" observer
make -s -C "$here" OUT="$(realpath --relative-to="$here" "$MEMCTL_OUT")"
# The emulated host's own kernel has names for memory, but compiling it takes long: the demo does not wait for that.
if [ -e "$("$top/tests/host/kernel.sh" --path)" ]; then
	kernel=own
else
	kernel=debian
fi
rm -rf "$MEMCTL_OUT/demo/moments"
mkdir -p "$MEMCTL_OUT/demo/moments"
export MEMCTL_MOMENTS="$MEMCTL_OUT/demo/moments"
status=0
"$top/tests/host/with-kvm.sh" -k "$kernel" -t 300 -x "$MEMCTL_MOMENTS" bare-metal -- "$MEMCTL_OUT/demo/demo" || status=$?

# map TITLE FILE: the map of a snapshot
map() {
	printf '\n%s\n' "$1"
	"$MEMCTL_OUT/memctl-top" --read "$2" --once | sed -n '/^RAM/p; /^one letter/p; /^ *0x/p'
}
set -- "$MEMCTL_MOMENTS"/*.json
for moment; do
	case $moment in
	*-before-*-64-MiB.json) map 'The memory of the first guest before it gave 64 MiB back (memctl-top):' "$moment" ;;
	*-after-*-64-MiB.json) map 'The same after it:' "$moment" ;;
	esac
	shift
	set -- "$@" --read "$moment"
done
"$MEMCTL_OUT/memctl-top" "$@" --html "$MEMCTL_OUT/demo.html" --svg "$MEMCTL_OUT/demo.svg"
cat <<'TEXT'

 G guarded  W read-only  L locked  D no-dump  U unmergeable  N named  R resident  H huge  S swapped  . absent
 Lower case: a part of the cell. All moments, one after the other: out/demo.html
TEXT
exit "$status"
