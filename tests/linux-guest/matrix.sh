#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# matrix.sh MATRIX [LANE]...: runs the guests that MATRIX lists (see matrix.txt),
# those of all lanes or of the named ones, on this machine's /dev/kvm and prints their TAP lines, without numbers and mixed as
# they come. What else guests and VMM say goes to a file for each in LOGS, a
# folder named in the environment.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/linux-guest/kvm.sh
. "$here/kvm.sh"
matrix=$1
shift
huge_page_mib=2

vmm_memory() { # BACKING MIB
	case $1 in
	private) echo "size=$2M" ;;
	shared) echo "size=$2M,shared=on" ;;
	hugetlb) echo "size=$2M,shared=on,hugepages=on" ;;
	esac
}

run_guest() { # KERNEL VCPUS BACKING MIB SECONDS TESTS
	local label="Linux $1, $2 vCPU, $3" socket=$sockets/$1-$2-$3
	eval "$IMAGES/watch-guest -l '$label' -t $5 -a $socket -- \
		$(vmm_command "$1" "$6" "$2" "$(vmm_memory "$3" "$4")" --api-socket "path=$socket")" \
		2> "$LOGS/$1-$2-$3.log"
}

# Enough free huge pages, or a line that says that there are none.
have_huge_pages() { # MIB
	local wanted=$(($1 / huge_page_mib)) total free
	free=$(awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo)
	[ "$free" -ge "$wanted" ] && return
	total=$(cat /proc/sys/vm/nr_hugepages)
	[ -w /proc/sys/vm/nr_hugepages ] &&
		echo $((total + wanted - free)) > /proc/sys/vm/nr_hugepages
	free=$(awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo)
	[ "$free" -ge "$wanted" ]
}

run_lane() {
	local lane kernel vcpus backing mib seconds tests
	while read -r lane kernel vcpus backing mib seconds tests; do
		[ "$lane" = "$1" ] || continue
		if [ "$backing" = hugetlb ] && ! have_huge_pages "$mib"; then
			echo "ok - Linux $kernel, $vcpus vCPU, hugetlb # SKIP this host has no $mib MiB of huge pages"
			continue
		fi
		run_guest "$kernel" "$vcpus" "$backing" "$mib" "$seconds" "$tests" || true
	done < "$matrix"
}

mkdir -p "$LOGS"
sockets=$(mktemp -d)
trap 'rm -rf "$sockets"' EXIT
reserved=$(cat /proc/sys/vm/nr_hugepages)
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(lanes "$matrix")
for lane; do
	run_lane "$lane" &
done
wait
if [ "$(cat /proc/sys/vm/nr_hugepages)" != "$reserved" ]; then
	echo "$reserved" > /proc/sys/vm/nr_hugepages
fi
