#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `./build.sh demo` runs after the build. MEMCTL_OUT: where the build is (default: out beside tests/).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
MEMCTL_OUT=${MEMCTL_OUT:-$(CDPATH='' cd -- "$here/../.." && pwd)/out}
export MEMCTL_OUT

if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	make -s -C "$here/../selftest" OUT="$MEMCTL_OUT" || { echo "demo: FAILED: the host's side does not build"; exit 1; }
	exec "$MEMCTL_OUT/selftest/demo"
fi

echo "There is no /dev/kvm that this user may open, and the reference VMM needs it."
if ! command -v qemu-system-x86_64 >/dev/null; then
	echo "demo: FAILED: no /dev/kvm, and no qemu-system-x86_64 to boot the guest in"
	exit 1
fi
echo "The same guest in QEMU, as far as it can: QEMU has no memctl device, so no request can be made."
timeout 120 qemu-system-x86_64 -accel tcg -m 256 -smp 2 -display none -monitor none -no-reboot -serial stdio \
	-device isa-debug-exit,iobase=0xf4,iosize=4 \
	-kernel "$MEMCTL_OUT/selftest.elf" -append "cpus=2 device=absent" </dev/null || true
echo "demo: FAILED: no /dev/kvm: the guest was booted in QEMU, no function could be shown"
exit 1
