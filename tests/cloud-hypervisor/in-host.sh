#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# in-host.sh HARNESS [TEST...]: what Cloud Hypervisor's integration tests expect
# of a host, then the tests, one at a time. Run by run.sh, as root.
set -euo pipefail

harness=$1
shift

if [ ! -e /dev/net/tun ]; then
	modprobe tun 2> /dev/null || insmod "$MEMCTL_DRIVERS/net/tun.ko"
fi
if [ -n "${MEMCTL_PASSTHROUGH:-}" ]; then
	for module in vfio vfio_virqfd vfio_iommu_type1 pci/vfio-pci-core pci/vfio-pci; do
		insmod "$MEMCTL_DRIVERS/vfio/$module.ko"
	done
	device=$(dirname "$(grep -lx 0x010802 /sys/bus/pci/devices/*/class)")
	echo vfio-pci > "$device/driver_override"
	echo "${device##*/}" > /sys/bus/pci/drivers_probe
	export MEMCTL_VFIO=${device##*/}
fi
if [ -n "${MEMCTL_VDPA_MODULES:-}" ]; then
	for module in "$MEMCTL_DRIVERS"/vhost/{vhost_iotlb,vhost}.ko "$MEMCTL_VDPA_MODULES"/{vringh,vdpa,vdpa_sim,vdpa_sim_blk,vhost_vdpa}.ko; do
		insmod "$module"
	done
	vdpa dev add name disk mgmtdev vdpasim_blk
	# It counts all of guest RAM as locked.
	ulimit -l unlimited
	export MEMCTL_VDPA=/dev/vhost-vdpa-0
fi
ip link set lo up

# The harness keeps images, sockets and snapshots in /tmp, and waits until 6 GiB
# are free there. An emulated host has less; what is not written takes no memory.
free_kib=$(df --output=avail /tmp | tail -n 1)
if [ "$free_kib" -lt $((6 << 20)) ]; then
	mount -t tmpfs -o size=16G tmp /tmp
fi
# It counts guests in a file beside the images.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/workloads"
ln -s "$MEMCTL_WORKLOADS"/* "$home/workloads/"
status=0
# Times of single tests are an option that the harness has for unstable compilers only.
HOME=$home BUILD_TARGET=$MEMCTL_BUILD_TARGET RUST_BACKTRACE=1 RUSTC_BOOTSTRAP=1 \
	"$harness" --test-threads=1 --color=never -Zunstable-options --report-time "$@" || status=$?
exit "$status"
