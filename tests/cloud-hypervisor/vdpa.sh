#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vdpa.sh FOLDER: builds for Debian 12's kernel, which is without vDPA, the
# modules of a simulated vDPA disk, from its own source package.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"
cache=$(memctl_cache "$(cd "$here/../.." && pwd -P)")
folder=$1
modules=(vhost/vringh.ko vdpa/vdpa.ko vdpa/vdpa_sim/{vdpa_sim,vdpa_sim_blk}.ko vhost/vhost_vdpa.ko)

[ ! -e "$folder/vhost_vdpa.ko" ] || exit 0
need_programs gcc gcc make make xz xz-utils
headers=$(echo "$("$here/../host/fetch.sh" 6.1)"/usr/src/linux-headers-*-amd64)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prepare_suite bookworm
unpack bookworm "$work" linux-source-6.1
tar -C "$work" -xJf "$work"/usr/src/linux-source-6.1.tar.xz linux-source-6.1/drivers/{vdpa,vhost}
cat > "$work/linux-source-6.1/drivers/Kbuild" <<-'KBUILD'
	obj-y := vhost/ vdpa/
KBUILD
# What the kernel has of them already stays out.
make -s -C "$headers" M="$work/linux-source-6.1/drivers" modules \
	CONFIG_VHOST_RING=m CONFIG_VHOST_VDPA=m CONFIG_VDPA=m CONFIG_VDPA_SIM=m CONFIG_VDPA_SIM_BLOCK=m \
	CONFIG_VHOST= CONFIG_VHOST_IOTLB= CONFIG_VHOST_NET= CONFIG_VHOST_SCSI= CONFIG_VHOST_VSOCK=
mkdir -p "$folder"
cp "${modules[@]/#/$work/linux-source-6.1/drivers/}" "$folder"
