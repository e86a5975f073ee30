#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# with-kvm.sh [OPTION]... bare-metal|linux -- COMMAND...
#
# Runs COMMAND where a KVM boots that kind of guest: on this machine if such a
# guest boots on it, else on an emulated host with the same files, as root
# there. See README.md. Exits with COMMAND's status, or 125 if an emulated host
# had none.
#
#   -k debian|own    kernel of an emulated host: Debian's 6.1, or kernel.sh's (own)
#   -m MIB           memory of an emulated host (2304)
#   -g HUGEPAGES     huge pages of 2 MiB that an emulated host has from the start (0)
#   -t SECONDS       COMMAND's limit (1200)
#   -x FOLDER        what COMMAND writes there stays; an emulated host forgets
#                    what is written elsewhere
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
usage() {
	sed -n 's/^# \{0,1\}//; 4,17p' "$0" >&2
	exit 2
}

kernel=own memory=2304 hugepages=0 seconds=1200 folder=
while getopts k:m:g:t:x: option; do
	case $option in
	k) kernel=$OPTARG ;;
	m) memory=$OPTARG ;;
	g) hugepages=$OPTARG ;;
	t) seconds=$OPTARG ;;
	x) folder=$(cd "$OPTARG" && pwd -P) ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[[ $kernel = debian || $kernel = own ]] || usage
[[ ${1:-} = bare-metal || ${1:-} = linux ]] || usage
if [ $# -lt 3 ] || [ "$2" != -- ]; then
	usage
fi
kind=$1
shift 2

# Where several suites run, one host of each kernel at a time. The lock goes with the process.
if [ -n "${MEMCTL_LANES:-}" ]; then
	exec 8> "$MEMCTL_LANES/$kernel"
	flock 8
fi
if "$here/boots.sh" "$kind"; then
	exec timeout --foreground "$seconds" "$@"
fi
exec "$here/emulated.sh" "$kernel" "$memory" "$hugepages" "$seconds" "$folder" "$@"
