#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a clean Debian that is thrown away afterwards: installs the packages that lie beside it, uses what they brought,
# removes them. One line "ok - NAME" or "not ok - NAME" for each test.
# shellcheck disable=SC2317 # row calls the functions
set -uo pipefail
cd /packages || exit 1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
failed=0

row() {
	local name=$1
	shift
	if "$@" > said 2>&1; then
		echo "ok - $name"
	else
		cat said
		echo "not ok - $name"
		failed=1
	fi
}

install_packages() {
	dpkg --install ./*.deb && [ -z "$(dpkg --audit)" ]
}

plugin_loads() {
	cat > host.c <<- 'C'
		#include <dlfcn.h>
		#include <memctl_plugin.h>
		#include <stdio.h>

		int main(void)
		{
			void *plugin = dlopen("/usr/lib/memctl/libmemctl.so", RTLD_NOW | RTLD_LOCAL);
			uint64_t (*abi_version)(void) = plugin ? (uint64_t (*)(void))dlsym(plugin, "abi_version") : NULL;

			if (!abi_version)
				return puts(dlerror()), 1;
			return abi_version() >> 32 != MEMCTL_ABI_MAGIC;
		}
	C
	gcc -Wall -Werror -o host host.c && ./host
}

# Words with spaces and an open file go through, and the process stays the same.
wrapper_starts() {
	cat > /usr/local/bin/cloud-hypervisor <<- 'SH'
		#!/bin/sh
		echo "$$"
		printf '<%s>' "$@"
		cat <&7
	SH
	chmod +x /usr/local/bin/cloud-hypervisor
	echo "from the socket" > socket
	/usr/lib/memctl/cloud-hypervisor -v --api-socket "path=/run/a b" 7< socket > words &
	local pid=$!
	wait "$pid" && [ "$(head -n 1 words)" = "$pid" ] &&
		grep -q '^<--memctl-default><plugin=/usr/lib/memctl/libmemctl.so><-v><--api-socket><path=/run/a b>from the socket$' words
}

wrapper_takes_options() {
	sed -i 's/^MEMCTL_OPTIONS=.*/MEMCTL_OPTIONS="max_locked=0,deny=[lock,protect]"/' /etc/memctl/cloud-hypervisor
	/usr/lib/memctl/cloud-hypervisor 7< socket > words
	grep -q '<plugin=/usr/lib/memctl/libmemctl.so,max_locked=0,deny=\[lock,protect\]>' words
}

host_commands_run() {
	memctl-top --version && [ -s /usr/share/man/man1/memctl-top.1.gz ] &&
		bash -c '. /usr/share/bash-completion/completions/memctl-top && complete -p memctl-top'
}

guest_command_runs() {
	memctl info 2> said_by_memctl
	[ $? = 1 ] && grep -q '^memctl: ' said_by_memctl && [ -s /usr/share/man/man8/memctl.8.gz ]
}

kernel() { basename /lib/modules/*-amd64; }

module_is_built() {
	dkms status | tee /dev/stderr | grep -q "^memctl/.*$(kernel), x86_64: installed" &&
		modinfo -k "$(kernel)" -F alias memctl | grep -q 'pci:v00001AE0d00000087'
}

# modprobe gives the parameter that modprobe.d says.
free_memory_goes_home() {
	modprobe --showconfig | grep -qx 'options memctl report_free=1' &&
		grep -q 'ATTR{report_free/enabled}="1"' /lib/udev/rules.d/*memctl*.rules &&
		modinfo -k "$(kernel)" -F parm memctl | grep -q '^report_free:'
}

remove_packages() {
	local names
	names=$(dpkg-query -W -f '${Package}\n' 'memctl-*') &&
		echo "$names" | xargs dpkg --purge && [ -z "$(dpkg-query -W -f '${Package}\n' 'memctl-*' 2> /dev/null)" ]
}

nothing_is_left() {
	local left
	left=$(find / -xdev -name '*memctl*' -not -path '/packages/*' -not -path '/proc/*')
	echo "$left"
	[ -z "$left" ]
}

row "the packages are installed" install_packages
row "a program that is built with the header loads the plugin" plugin_loads
row "the wrapper starts Cloud Hypervisor with the default device" wrapper_starts
row "the wrapper takes options from its settings" wrapper_takes_options
row "the host's commands run" host_commands_run
row "the guest's command runs" guest_command_runs
row "DKMS has built the driver" module_is_built
row "free memory goes home by default" free_memory_goes_home
row "the packages are removed" remove_packages
row "nothing is left of them" nothing_is_left
exit "$failed"
