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
  Once with private guest RAM and once with shared. It takes about 5 seconds, and about one minute on a machine without a
  usable /dev/kvm, where the host is emulated. Where an effect can't be seen on this host, the row says why.

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
exec "$top/tests/host/with-kvm.sh" -k "$kernel" -t 300 bare-metal -- "$MEMCTL_OUT/demo/demo"
