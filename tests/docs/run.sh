#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks what documents and code say about each other, TAP on standard output: every section of docs/protocol.md that is cited
# (protocol, "Section") exists, every relative link between documents resolves, with its anchor, every folder of the README's map is
# there, and docs/operations.md has the metrics that memctl-top offers.
#
#   tests/docs/run.sh [DIRECTORY]     a git checkout; default: the one that this script is in
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

number=0
failed=0

# row STATUS NAME: one test, passed if the status is 0.
row() {
	local result=ok
	[ "$1" -eq 0 ] || result="not ok" failed=1
	number=$((number + 1))
	echo "$result $number - $2"
}

# contains LINES LINE: whether a line is exactly this one.
contains() { grep -Fxq -- "$2" <<<"$1"; }

# headings FILE: the text of each heading.
headings() { awk '/^```/ { code = !code } !code && sub(/^#+ +/, "")' "$1"; }

# anchors FILE: what a link names each heading by.
anchors() {
	headings "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9_ -]//g; s/ /-/g'
}

# citations FILE...: FILE<tab>SECTION for each. A citation may go on in the next line of its comment.
citations() {
	awk '
		function flush(	text) {
			text = all
			while (match(text, /[Pp]rotocol, "[^"]+"/)) {
				print name "\t" substr(text, RSTART + 11, RLENGTH - 12)
				text = substr(text, RSTART + RLENGTH)
			}
			all = ""
		}
		FNR == 1 { flush(); name = FILENAME }
		{ sub(/^[ \t]*(\/\/[\/!]?|\*|#)?[ \t]*/, ""); all = all " " $0 }
		END { flush() }' "$@"
}

# links FILE: the target of each relative link and picture outside code.
links() {
	awk '
		/^```/ { code = !code }
		code || /^    / { next }
		{
			gsub(/`[^`]*`/, "")
			while (match($0, /\]\([^) ]+\)/)) {
				print substr($0, RSTART + 2, RLENGTH - 3)
				$0 = substr($0, RSTART + RLENGTH)
			}
		}' "$1" | grep -vE '^[a-z]+:' || true
}

# resolves FILE LINK: whether the link's file exists, and its anchor in it.
resolves() {
	local file=$1 target=${2%%#*} anchor=""
	case $2 in *\#*) anchor=${2#*#} ;; esac
	[ -z "$target" ] || file=$(dirname "$1")/$target
	[ -e "$file" ] || return 1
	[ -z "$anchor" ] || contains "$(anchors "$file")" "$anchor"
}

# existing PATTERN...: the checkout's files of these names, deleted ones left out.
existing() {
	local file
	git ls-files -co --exclude-standard -- "$@" | while read -r file; do
		[ ! -e "$file" ] || echo "$file"
	done
}

sections=$(headings docs/protocol.md)
mapfile -t sources < <(existing '*.cs' '*.rs' '*.c' '*.h' '*.S' '*.sh' '*.md' | grep -v '^tests/docs/')
cited=$(citations "${sources[@]}")

status=0
grep -qE '\.(cs|rs|c|h)	' <<<"$cited" || status=1
row "$status" "code cites the protocol"
while read -r section; do
	status=0
	if ! contains "$sections" "$section"; then
		status=1
		awk -F '\t' -v section="$section" '$2 == section { print "# cited in " $1 }' <<<"$cited"
	fi
	row "$status" "protocol, \"$section\" exists"
done < <(cut -f 2 <<<"$cited" | sort -u)

mapfile -t documents < <(existing '*.md')
for document in "${documents[@]}"; do
	status=0
	while read -r link; do
		resolves "$document" "$link" || { status=1 && echo "# $document: $link leads nowhere"; }
	done < <(links "$document")
	row "$status" "links of $document"
done

# The first column of the map may name several folders.
folders=$(awk '
	/^## / { map = $0 == "## Where things are" }
	map && /^\| `/ {
		split($0, cell, "|")
		count = split(cell[2], part, "`")
		for (i = 2; i <= count; i += 2)
			print part[i]
	}' README.md)
status=0
[ -n "$folders" ] || status=1
while read -r folder; do
	[ -d "$folder" ] || { status=1 && echo "# README.md: no folder $folder"; }
done <<<"$folders"
row "$status" "folders of the map in README.md"

# names FILE QUOTE: what stands between two QUOTEs and is a metric's name.
names() { grep -o "$2memctl_[a-z_]*$2" "$1" | tr -d "$2" | sort -u; }
status=0
diff <(names src/Memctl.Top/Views/MetricsText.cs '"') <(names docs/operations.md '`') | sed 's/^/# /' || status=1
row "$status" "metrics of docs/operations.md"

echo "1..$number"
exit "$failed"
