# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # cache: the caller sets it
#
# What the project takes from Debian: tools, which are installed, and contents
# of packages of a suite, which are unpacked into the cache and not installed.

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# memctl_cache CHECKOUT: where kernels and what else is slow to make is kept. All
# checkouts of a user share it. Make takes no path with a space or a colon.
memctl_cache() {
	local folder
	for folder in "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/memctl" "$1/.cache"; do
		if [[ $folder =~ ^[A-Za-z0-9/._+-]+$ ]] && mkdir -p "$folder" 2> /dev/null && [ -w "$folder" ]; then
			echo "$folder"
			return
		fi
	done
	folder=/var/tmp/memctl-$(id -u)
	(umask 077 && mkdir -p "$folder")
	[ -O "$folder" ] || die "$folder is another user's"
	echo "$folder"
}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# install_debian PACKAGE...: as root; anybody else is told what to install.
install_debian() {
	[ $# -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "${0##*/}: these Debian packages are missing; install them as root and start again:" >&2
		echo "    apt-get install --no-install-recommends $*" >&2
		exit 1
	fi
	echo "installing Debian packages: $*" >&2
	(
		# One after the other: apt does not wait for another update.
		flock 7
		apt-get -qq -o DPkg::Lock::Timeout=600 update
		DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
			install -y --no-install-recommends "$@" > /dev/null
	) 7> /run/lock/memctl-install
}

# need_programs PROGRAM PACKAGE ...: PACKAGE has PROGRAM, or is the owner of
# that file.
need_programs() {
	local missing=()
	while [ $# -gt 0 ]; do
		[ -e "$1" ] || command -v "$1" > /dev/null || missing+=("$2")
		shift 2
	done
	install_debian "${missing[@]}"
}

# The mirror of the Debian archive that this machine's apt is set up with.
debian_mirror() {
	# shellcheck disable=SC2016 # apt expands these, not the shell
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# suite_apt SUITE PROGRAM ARGS...: an apt that knows this one suite only and
# keeps its state in $cache.
suite_apt() {
	local suite=$1 program=$2 root
	shift 2
	root=$cache/apt/$suite
	"$program" -qq \
		-o Dir::Etc::sourcelist="$root/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Acquire::Languages=none \
		-o Dir::State="$root/state" -o Dir::State::status="$root/status" \
		-o Dir::Cache="$root/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}

# prepare_suite SUITE: reads its package lists; signatures are checked by apt
# with Debian's own key ring.
prepare_suite() {
	local suite=$1 root mirror
	root=$cache/apt/$suite
	mirror=$(debian_mirror)
	if [ -z "$mirror" ] && [ "$(id -u)" = 0 ]; then
		apt-get -qq update
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "apt knows no Debian mirror; run apt-get update first"
	[ -r "$keyring" ] || die "missing package: debian-archive-keyring"
	mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial"
	: > "$root/status"
	echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main" > "$root/sources.list"
	suite_apt "$suite" apt-get update
}

# The packages that PACKAGE depends on, by the given name pattern.
depends_on() {
	suite_apt "$1" apt-cache depends "$2" |
		awk -v name="$3" '$1 == "Depends:" && $2 ~ name { print $2 }'
}

# unpack SUITE FOLDER PACKAGES...
unpack() {
	local suite=$1 folder=$2 deb
	shift 2
	mkdir -p "$folder/debs"
	(cd "$folder/debs" && suite_apt "$suite" apt-get download "$@")
	for deb in "$folder"/debs/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	rm -r "$folder/debs"
}
