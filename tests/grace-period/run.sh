#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh: has Spin prove the model of the grace period (grace_period.pml), and find what is missing in each of its mutants; then
# runs the device's own code in every order of its threads' steps (schedules/), and finds what is missing in each of its. Prints
# TAP. MEMCTL_OUT: where to build (default: out at the top).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
out=${MEMCTL_OUT:-$top/out}/schedules
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0

# explore DEFINES KIND: sets errors to how many Spin found, and states to how many it explored
explore() {
    local defines compile search report
    read -ra defines <<<"$1"
    case $2 in
    safety)
        compile=(-DSAFETY -DNOCLAIM)
        search=()
        ;;
    liveness)
        compile=(-DNFAIR=3)
        search=(-a -f)
        defines+=(-DLIVENESS)
        ;;
    esac
    rm -rf "$work/pan"
    mkdir "$work/pan"
    report=$(cd "$work/pan" && spin -a "${defines[@]}" "$here/grace_period.pml" >spin.log &&
        gcc -O2 -w -DMEMLIM=1500 "${compile[@]}" -o pan pan.c && ./pan -m1000000 "${search[@]}")
    errors=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' <<<"$report")
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$report")
    # A search that was cut off has shown nothing.
    if [ -z "$errors" ] || { [ "$errors" = 0 ] && grep -q 'max search depth too small\|out of memory\|Search not completed' <<<"$report"; }; then
        printf '# %s\n' "${report//$'\n'/$'\n'# }"
        errors=unknown
    fi
}

result() { # ok|'not ok' DESCRIPTION
    number=$((number + 1))
    echo "$1 $number - $2"
}

holds() { # KIND DESCRIPTION
    explore "" "$1"
    if [ "$errors" = 0 ]; then
        result ok "$2 ($states states)"
    else
        result 'not ok' "$2 (errors: $errors)"
    fi
}

finds() { # MUTANT KIND DESCRIPTION
    explore "-D$1" "$2"
    case $errors in
    0 | unknown) result 'not ok' "without $3: found (errors: $errors)" ;;
    *) result ok "without $3: found" ;;
    esac
}

holds safety "no request survives its channel or its memory"
holds liveness "no control call starves"
finds NO_INCREMENT_FENCE safety "the fence of a request's increment"
finds NO_DECREMENT_RELEASE safety "the order of an answer and its decrement"
finds NO_EXCHANGE_FENCE safety "the fence of the epoch's exchange"
finds NO_CHECK_AFTER_LOCK safety "a request's second look at its connection"
finds NO_CHECK_UNDER_CALLS safety "the look at the connection before a long host call"
finds ONE_ROUND safety "the second of two rounds"
finds NO_SYNCHRONIZE safety "the wait before memory goes"
finds NO_WAIT_IN_REVERT safety "the wait for a long host call before memory goes"
finds SYNCHRONIZE_TOO_EARLY safety "the wait for its answer before memory goes"
finds NO_WAIT_FOR_CHANGE safety "the wait for a long host call"
finds NO_SYNCHRONIZE_IN_FORGET safety "the wait before channels go"
finds NO_EPOCHS liveness "epochs"

# build WHAT OPTION...: the scheduler with the sources that the options name, into a folder of its own
build() {
    dotnet build "$here/schedules" -c Release --nologo -v quiet --artifacts-path "$out/$1" "${@:2}" >"$work/build.log" 2>&1 || {
        cat "$work/build.log" >&2
        return 1
    }
}

# schedules WHAT [MUTANT]: what a build finds, into a file
schedules() {
    "$out/$1/bin/Memctl.Schedules/release/Memctl.Schedules" "${@:2}" >"$work/found" 2>&1
}

build device
# A failure's schedule stands behind its line.
status=0
schedules device || status=$?
while IFS=$'\t' read -r outcome scenario how; do
    case $outcome in
    ok) result ok "the code: $scenario ($how)" ;;
    failed) result 'not ok' "the code: $scenario ($how)" ;;
    *) echo "# $outcome" ;;
    esac
done <"$work/found"
[ "$status" -le 1 ] || result 'not ok' "the code: the program fails"

"$here/schedules/mutants.pl" "$top/src/Memctl.Device" "$out/sources" >"$work/mutants"
# Which lines of the copy are long is nobody's concern.
build mutants -p:DeviceSources="$out/sources" -p:RunAnalyzers=false
while IFS=$'\t' read -r mutant lacks; do
    if schedules mutants "$mutant"; then
        result 'not ok' "the code without $lacks: found"
    elif [ "$(grep -c ^failed "$work/found")" = 1 ]; then
        result ok "the code without $lacks: found ($(sed -n 's/^failed\t\([^\t]*\)\t.*/\1/p' "$work/found"))"
    else
        sed 's/^/# /' "$work/found"
        result 'not ok' "the code without $lacks: the program fails"
    fi
done <"$work/mutants"
echo "1..$number"
