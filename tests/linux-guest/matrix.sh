#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# matrix.sh MATRIX HOST LOGS: runs the guests of that host that MATRIX lists (see
# matrix.txt) on this machine's /dev/kvm. Prints "begin GUEST" before the TAP of
# each and "end GUEST STATUS" after it. What else guest and VMM say goes to a
# file for each in LOGS.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/linux-guest/vmm.sh
. "$here/vmm.sh"
matrix=$1 host=$2 logs=$3
huge_page_mib=2

vmm_memory() { # BACKING MIB
	case $1 in
	private) echo "size=$2M" ;;
	shared) echo "size=$2M,shared=on" ;;
	hugetlb) echo "size=$2M,shared=on,hugepages=on" ;;
	esac
}

run_guest() { # KERNEL VCPUS BACKING MIB SECONDS TESTS
	local name=$host-$1-$2-$3 status=0
	vmm_command "$1" "$6" "$2" "$(vmm_memory "$3" "$4")" --api-socket "path=$sockets/$name"
	echo "begin $name"
	"$IMAGES/watch-guest" -l "Linux $1, $2 vCPU, $3" -t "$5" -a "$sockets/$name" \
		-m "$TOP" -p "$logs/$name" -- "${command[@]}" \
		2> "$logs/$name.log" || status=$?
	echo "end $name $status"
}

# Enough free huge pages, if this host can have them.
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

mkdir -p "$logs"
sockets=$(mktemp -d)
reserved=$(cat /proc/sys/vm/nr_hugepages)
clean_up() {
	rm -rf "$sockets"
	[ "$(cat /proc/sys/vm/nr_hugepages)" = "$reserved" ] || echo "$reserved" > /proc/sys/vm/nr_hugepages
}
trap clean_up EXIT
while read -r of kernel vcpus backing mib seconds tests; do
	[ "$of" = "$host" ] || continue
	if [ "$backing" = hugetlb ] && ! have_huge_pages "$mib"; then
		printf '%s\n' "begin $host-$kernel-$vcpus-$backing" \
			"1..0 # SKIP this host has no $mib MiB of huge pages" \
			"end $host-$kernel-$vcpus-$backing 0"
		continue
	fi
	run_guest "$kernel" "$vcpus" "$backing" "$mib" "$seconds" "$tests" < /dev/null
done < "$matrix"
