#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# see-pages.sh MEMCTL-TOP LOGS: what the test "top" saw step by step (FILE.json
# with FILE.seen beside it, anywhere in LOGS), made a page by memctl-top and
# looked at in a browser: at each moment of the page the cell of the step is
# visible, in the colour of its letter, and the names are in its text. TAP.
set -euo pipefail

top=$1 logs=$2
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/host/debian.sh
. "$here/../host/debian.sh"

# Goes through the moments with the page's own slider, and prints a line for
# each cell that can be seen: MOMENT CLASS COLOUR TITLE; and one for each name.
read -r -d '' look << 'SCRIPT' || true
<script>
const lines = [];
const slider = document.querySelector(".moments input");
const moments = document.querySelectorAll(".moment").length;
for (let moment = 0; moment < moments; moment++) {
  if (slider) { slider.value = moment; slider.dispatchEvent(new Event("input")); }
  for (const rect of document.querySelectorAll("svg.map rect")) {
    if (rect.getBoundingClientRect().width > 0)
      lines.push(`${moment} ${rect.getAttribute("class")} ${getComputedStyle(rect).fill.replaceAll(" ", "")} ${rect.textContent}`);
  }
  for (const name of document.body.innerText.match(/^memctl-[0-9]+/gm) || []) lines.push(`${moment} name ${name}`);
}
document.body.innerText = lines.join("\n");
</script>
SCRIPT

# kind LETTER: the class of its cells
kind() {
	case $1 in
	G) echo guarded ;;
	W) echo read-only ;;
	L) echo locked ;;
	D) echo no-dump ;;
	U) echo unmergeable ;;
	N) echo named ;;
	H) echo huge ;;
	R) echo resident ;;
	.) echo absent ;;
	esac
}

# seen LINES MOMENT ADDRESS LETTERS: whether the cell at that address shows as one of them
seen() {
	local index
	for ((index = 0; index < ${#4}; index++)); do
		grep -q "^$2 $(kind "${4:index:1}") rgb([0-9,]*) $3," <<< "$1" && return
	done
	return 1
}

number=0
result() { # STATUS NAME
	number=$((number + 1))
	[ "$1" = 0 ] && echo "ok $number - $2" || echo "not ok $number - $2"
}

look_at() { # FILE
	local page=$1.html lines moment=0 address letters names status shown
	"$top" --read "$1.json" --html "$page"
	# A script behind the end of the page runs when the page's own has.
	{ cat "$page"; echo "$look"; } > "$scratch/page.html"
	lines=$(chromium-headless-shell --headless --no-sandbox --disable-gpu --user-data-dir="$scratch/profile" \
		--window-size=1000,900 --dump-dom "file://$scratch/page.html" 2> "$page.log" |
		sed 's/<br>/\n/g; s/^.*<body[^>]*>//')
	while read -r address letters names; do
		status=0
		seen "$lines" "$moment" "$address" "$letters" || status=1
		shown=$(sed -n "s/^$moment name //p" <<< "$lines" | paste -sd,)
		[ "${shown:--}" = "$names" ] || status=1
		result "$status" "${1##*/}: the browser shows $address as $letters and names $names (step $((moment + 1)))"
		moment=$((moment + 1))
	done < "$1.seen"
}

need_programs chromium-headless-shell chromium-headless-shell
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
while read -r file; do
	look_at "${file%.json}"
done < <(find "$logs" -name '*.seen' | sed 's/seen$/json/' | sort)
[ "$number" -gt 0 ] || reason=" # SKIP no guest ran the test top"
echo "1..$number${reason:-}"
