# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What run.sh, matrix.sh and shell.sh share: where VMM and images are, and how a
# guest is started. Expects here to be this folder.

# shellcheck disable=SC2154
repository=$(cd "$here/../.." && pwd -P)
export IMAGES=$repository/out/linux-guest
export VMM=${VMM:-$repository/out/memctl-vmm}
export PLUGIN=${PLUGIN:-$repository/out/libmemctl.so}
export TOP=${TOP:-$repository/out/memctl-top}
export VMM_FLAGS=${VMM_FLAGS:-}

# vmm_command KERNEL TESTS VCPUS MEMORY [FLAG]...: the VMM's command line in the
# array command. Some tests need an image or devices of their own.
# shellcheck disable=SC2034 # command is what the caller asked for
vmm_command() {
	local image=initramfs-$1 device=(--memctl "plugin=$PLUGIN") second=() flags
	[[ ,$2, = *,kexec,* || ,$2, = *,crash,* ]] && image=kexec-$1
	[[ ,$2, = *,crash,* ]] && device=(--memctl "plugin=$PLUGIN,on_fault=open")
	[[ ,$2, = *,broken-device,* ]] && device=(--memctl "plugin=$IMAGES/broken.so")
	[[ ,$2, = *,moved=* ]] && device=(--memctl "plugin=$IMAGES/broken.so,moves=on")
	[[ ,$2, = *,exits=* ]] && device=(--memctl "plugin=$PLUGIN,max_request_time=60000000")
	[[ ,$2, = *,stay,* ]] && device=(--memctl "plugin=$PLUGIN,max_request_time=0")
	[[ ,$2, = *,second-device,* ]] && second=(--memctl "plugin=$PLUGIN,max_pageout=8K")
	read -ra flags <<< "$VMM_FLAGS"
	command=("$VMM" --kernel "$IMAGES/vmlinuz-$1" --initramfs "$IMAGES/$image.img"
		--cmdline "$("$here/guest-cmdline.sh" "$2")" --cpus "boot=$3"
		--memory "$4" --serial tty --console off "${device[@]}" "${second[@]}" "${@:5}" "${flags[@]}")
}
