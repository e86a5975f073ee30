# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What run.sh and shell.sh share: where VMM and images are, and whether this
# machine's KVM runs Linux. Expects here to be this folder.

# shellcheck disable=SC2154
repository=$(cd "$here/../.." && pwd)
export IMAGES=$repository/out/linux-guest
export VMM=${VMM:-$repository/out/memctl-vmm}
export PLUGIN=${PLUGIN:-$repository/out/libmemctl.so}
export VMM_FLAGS=${VMM_FLAGS:-}

# lanes MATRIX: the names of its lanes
lanes() {
	awk '/^[^#]/ { print $1 }' "$1" | sort -u
}

# vmm_command KERNEL TESTS VCPUS MEMORY [FLAGS]...: the VMM's command line, as
# shell words. Some tests need an image or devices of their own.
vmm_command() {
	local image=initramfs-$1 device=(--memctl "plugin=$PLUGIN") second=()
	[[ ,$2, = *,kexec,* ]] && image=kexec-$1
	[[ ,$2, = *,broken-device,* ]] && device=(--memctl "plugin=$IMAGES/broken.so")
	[[ ,$2, = *,second-device,* ]] && second=("${device[@]}")
	printf '%q ' "$VMM" --kernel "$IMAGES/vmlinuz-$1" --initramfs "$IMAGES/$image.img" \
		--cmdline "$("$here/guest-cmdline.sh" "$2")" --cpus "boot=$3" \
		--memory "$4" --serial tty --console off "${device[@]}" "${second[@]}" "${@:5}"
	echo "$VMM_FLAGS"
}

# A guest that boots and says so within bounded time is the proof: a /dev/kvm
# alone does not mean that it can run Linux.
runs_linux() {
	[ -w /dev/kvm ] || return
	eval "$IMAGES/watch-guest -l probe -t 20 -- $(vmm_command 6.1 boot 1 size=256M)" \
		> "$IMAGES/probe.log" 2>&1
}

need_qemu() {
	command -v qemu-system-x86_64 > /dev/null && return
	if [ "$(id -u)" != 0 ]; then
		echo "missing package: qemu-system-x86" >&2
		exit 1
	fi
	apt-get -qq -o DPkg::Lock::Timeout=600 update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
		install -y --no-install-recommends qemu-system-x86 > /dev/null
}
