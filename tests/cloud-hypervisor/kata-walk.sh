#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What docs/kata.md says of a host, with curl in the place of Kata: installs the
# files that lie beside it at the paths of that page and starts VMs. TAP, from 2.
# shellcheck disable=SC2317 # row calls the functions
set -uo pipefail
cd "$(dirname "$0")" || exit 1
used_kib=$((256 << 10))
# Where everything is emulated.
limit_seconds=240
kata=/opt/kata/share/kata-containers
failed=0
number=1
# Nobody writes there: whoever reads waits.
mkfifo nothing
exec 9<> nothing

row() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" > said 2>&1; then
		echo "ok $number - $name"
	else
		awk '{ print "# " $0 }' said
		echo "not ok $number - $name"
		failed=1
	fi
}

install_files() {
	dpkg --install ./*.deb &&
		install -m 0755 cloud-hypervisor /usr/local/bin/ &&
		install -D -m 0644 -t "$kata" vmlinux-memctl.container kata-containers.img
}

# What Kata recorded, with this VM's folder and kernel. virtio-fs needs a daemon.
body() { # FILE
	perl -MJSON::PP -0777 -ne '
		s/SANDBOX/sandbox/g;
		my $body = decode_json($_);
		$body->{payload}{kernel} = $ENV{KERNEL};
		delete $body->{fs};
		print encode_json($body)' "$1"
}

call() { # METHOD COMMAND [BODY]
	curl -sS --fail-with-body --unix-socket "$socket" -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} \
		"http://localhost/api/v1/$2"
}

# eventually COMMAND...: until it succeeds
eventually() {
	local end=$((SECONDS + limit_seconds))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] && kill -0 "$vmm" 2> /dev/null || return 1
		read -rt 0.2 -u 9 || true
	done
}

starts() { # BODY
	mkdir -p "${socket%/*}"
	/usr/lib/memctl/cloud-hypervisor --api-socket "$socket" > log 2>&1 &
	vmm=$!
	eventually call GET vmm.ping 2> /dev/null || { cat log; return 1; }
	call PUT vm.create "$(KERNEL=$kata/vmlinux-memctl.container body "$1")" && call PUT vm.boot
}

has_the_device() {
	call GET vm.info | grep -q '"memctl":{[^}]*"memctl-default"'
}

status() { cat "/proc/$(pgrep -f "$socket")/status"; }
status_of() { status | awk -v name="$1:" '$1 == name { print $2 }'; }

memory_went_home() {
	[ $(($(status_of VmHWM) - $(status_of VmRSS))) -ge $((used_kib * 3 / 4)) ]
}

memory_falls() {
	if ! eventually memory_went_home; then
		status | grep -E 'VmHWM|VmRSS|RssShmem'
		call GET vm.counters
		cat log
		return 1
	fi
	status | grep -E 'VmHWM|VmRSS|RssShmem' > figures
}

# Memory that was free from the start is counted too.
counted() {
	call GET vm.counters | NEEDED=$((used_kib * 3 / 4 << 10)) perl -MJSON::PP -0777 -ne '
		print; exit(decode_json($_)->{"memctl-default"}{bytes_REMOVE} < $ENV{NEEDED})'
}

top_shows_it() {
	memctl-top --once > shown
	cat shown
	grep -q " pid $vmm " shown
}

ends() {
	call PUT vmm.shutdown && wait "$vmm"
}

row "the packages are installed, and Cloud Hypervisor" install_files
for file in kata-*.json; do
	case $file in
	kata-go.json) socket=/run/vc/vm/sandbox/clh-api.sock ;;
	*) socket=/run/kata/sandbox/ch-api.sock ;;
	esac
	row "$file: the wrapper starts a VM" starts "$file"
	row "$file: it has the device" has_the_device
	row "$file: what the guest freed leaves the host's memory" memory_falls
	[ ! -e figures ] || sed 's/^/# /' figures
	rm -f figures
	row "$file: the device has counted what it removed" counted
	row "$file: memctl-top shows it" top_shows_it
	row "$file: the VMM ends" ends
	kill -KILL "$vmm" 2> /dev/null
done
echo "1..$number"
exit "$failed"
