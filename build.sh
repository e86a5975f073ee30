#!/usr/bin/env bash
# The one entry: ./build.sh demo shows memctl at work, ./build.sh test runs every test. ./build.sh help lists the rest.
set -euo pipefail
cd "$(dirname "$0")"
TOP=$PWD
OUT=$TOP/out
export MEMCTL_OUT=$OUT
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

case $(uname -m) in
x86_64) RID=linux-x64 ;;
*)
    echo "build.sh: memctl is built and tested on x86-64; this machine is $(uname -m)." >&2
    exit 1
    ;;
esac

usage() {
    cat <<'TEXT'
usage: ./build.sh COMMAND
  build           make out/: libmemctl.so, memctl_plugin.h, memctl-vmm, selftest.elf
  demo            build, boot a guest under /dev/kvm and show what each function does
  test            build and run every test; the last line is "N passed, N failed, N skipped"
  bench [--docs docs]
                  what a request costs, timed and counted, each figure with its bar, into out/ and docs/performance.md
  guest           the Linux guest side: driver, tool and the guest image of the tests
  shell           boot that guest with a shell on this terminal
  fuzz [MINUTES]  fuzz the device and the library (default 10)
  package         out/memctl-VERSION-linux-x64.tar.gz
  lint            formatters, analyzers and checkers, as part of test
TEXT
}

# need PACKAGE TEST...: remembers a Debian package if the test fails.
MISSING=()
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || MISSING+=("$package")
}

install_missing() {
    [ ${#MISSING[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "build.sh: these Debian packages are missing; install them as root and start again:" >&2
        echo "    apt-get install ${MISSING[*]}" >&2
        exit 1
    fi
    echo "build.sh: installing ${MISSING[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${MISSING[@]}" >/dev/null
    MISSING=()
}

# What has no Debian package is named, not installed.
need_toolchains() {
    local tool
    for tool in dotnet:"the .NET SDK 10" cargo:Rust; do
        command -v "${tool%%:*}" >/dev/null || {
            echo "build.sh: ${tool#*:} is missing: no command '${tool%%:*}'." >&2
            exit 1
        }
    done
}

need_for_build() {
    need_toolchains
    need gcc command -v gcc
    need make command -v make
    need libseccomp-dev test -e /usr/include/seccomp.h
    install_missing
}

need_for_test() {
    need shellcheck command -v shellcheck
    need strace command -v strace
    need g++ command -v g++
    need_for_counts
    install_missing
}

# Counting runs the library under valgrind.
need_for_counts() { need valgrind command -v valgrind; }

log() { printf '== %s\n' "$*"; }

# --config stands after the subcommand: cargo does not hand it on to clippy otherwise.
run_cargo() { cargo "$1" --config "$TOP/.cache/cargo.toml" --manifest-path "$TOP/rust-shim/Cargo.toml" "${@:2}"; }

# The framework that the plugin is compiled with: the LTS, or the release before it where its runtime pack can't be had.
choose_framework() {
    local framework
    for framework in net10.0 net9.0; do
        if dotnet restore src/Memctl.Plugin -r "$RID" -p:MemctlFrameworks="$framework" -v quiet >"$OUT/restore.log" 2>&1; then
            # Every later dotnet command takes it from the environment.
            export MemctlFrameworks=$framework
            return 0
        fi
        echo "build.sh: the NativeAOT packages for $framework can't be restored here (out/restore.log)."
    done
    return 1
}

# put FILE...: new files in out/, not new bytes in old ones, which a running VMM may have mapped.
put() { install -t "$OUT" "$@"; }

build_plugin() {
    log "libmemctl.so"
    choose_framework
    dotnet publish src/Memctl.Plugin -c Release -f "$MemctlFrameworks" -r "$RID" -o "$OUT/plugin" -v quiet
    put "$OUT/plugin/libmemctl.so" native/include/memctl_plugin.h
}

build_all() {
    need_for_build
    mkdir -p "$OUT"
    build_plugin
    log "memctl-vmm"
    rust-shim/debian-crates.sh
    run_cargo build --release --quiet -p memctl-vmm
    put rust-shim/target/release/memctl-vmm
    log "selftest.elf"
    make -s -C native/selftest OUT="$OUT"
}

# check NAME COMMAND...: one TAP line for a command that must succeed.
check() {
    local name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}

lint() {
    check "C#: dotnet format finds nothing" dotnet format MemctlPlugin.sln --verify-no-changes
    check "Rust: rustfmt finds nothing" cargo fmt --all --manifest-path rust-shim/Cargo.toml --check
    check "Rust: clippy finds nothing" run_cargo clippy --quiet --all-targets -- -D warnings
    check "C: the header compiles as C11" gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only native/include/memctl_plugin.h
    check "C: the header compiles as C++17" \
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ native/include/memctl_plugin.h
    check "Cloud Hypervisor: the patch only adds, with no line of context" \
        awk '/^[- ]/ && !/^--- / { exit 1 }' rust-shim/cloud-hypervisor/cloud-hypervisor-v53.0.patch
    local scripts
    mapfile -t scripts < <(git ls-files | grep -E '\.sh$|^\.ci/run$')
    check "shell: shellcheck finds nothing" shellcheck -x "${scripts[@]}"
}

PASSED=0 FAILED=0 SKIPPED=0

# suite NAME COMMAND...: runs it, keeps its output, and adds up what it says of itself: TAP, cargo's and dotnet's closing lines.
suite() {
    local name=$1 status=0 file
    shift
    file=$OUT/logs/$name.log
    log "$name"
    # What is well is in the file only.
    "$@" 2>&1 | tee "$file" | sed -u '/^ok /d' || status=$?
    local passed failed skipped
    # mawk, Debian's awk, knows no word boundaries.
    read -r passed failed skipped < <(awk '
        /^ok .*# SKIP/ { skipped++; next }
        /^ok / { passed++ }
        /^not ok / { failed++ }
        /^test result:/ { passed += $4; failed += $6; skipped += $8 }
        /^(Passed|Failed|Skipped)! +- Failed:/ {
            gsub(/[,:]/, " "); failed += $4; passed += $6; skipped += $8
        }
        END { print passed + 0, failed + 0, skipped + 0 }' "$file")
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        echo "not ok - $name ended with status $status"
        failed=1
    elif [ $((passed + failed + skipped)) -eq 0 ]; then
        echo "not ok - $name ran no test"
        failed=1
    fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    echo "== $name: $passed passed, $failed failed, $skipped skipped"
}

test_all() {
    build_all
    need_for_test
    mkdir -p "$OUT/logs"
    suite lint lint
    suite device dotnet test MemctlPlugin.sln --nologo -v quiet
    suite shim run_cargo test --quiet
    suite counts run_cargo run --release --quiet -p memctl-bench -- check
    suite native tests/native/run.sh
    suite selftest tests/selftest/run.sh
    suite linux-guest tests/linux-guest/run.sh
    if [ "$FAILED" -gt 0 ]; then
        echo "failed:"
        grep -hE '^not ok|^\s+Failed |^test .* FAILED' "$OUT"/logs/*.log | sed 's/^/    /' || true
    fi
    if [ "$SKIPPED" -gt 0 ]; then
        echo "skipped:"
        grep -hE '# SKIP|^\s+Skipped ' "$OUT"/logs/*.log | sed 's/^/    /' || true
    fi
    echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" -eq 0 ]
}

# Half of the time for the managed device against its model, half for the library through the C ABI.
fuzz() {
    case $1 in
    '' | 0 | *[!0-9]*)
        echo "build.sh: fuzz takes a number of minutes, not '$1'" >&2
        exit 2
        ;;
    esac
    build_all
    need clang command -v clang
    install_missing
    local version
    version=$(clang -dumpversion | cut -d. -f1)
    need "libclang-rt-$version-dev" test -e "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-x86_64.a"
    install_missing
    log "managed device: $(($1 * 30)) s"
    MEMCTL_FUZZ_SECONDS=$(($1 * 30)) dotnet test tests/Memctl.Device.Tests --nologo -v quiet --filter FullyQualifiedName~Fuzz
    log "library: $(($1 * 30)) s"
    tests/native/fuzz/run.sh "$(($1 * 30))"
}

package() {
    build_all
    local version name
    version=$(sed -n 's/.*<Version>\(.*\)<\/Version>.*/\1/p' Directory.Build.props)
    name=memctl-$version-$RID
    rm -rf "${OUT:?}/$name"
    mkdir -p "$OUT/$name"
    cp -r "$OUT/libmemctl.so" "$OUT/memctl_plugin.h" "$OUT/memctl-vmm" README.md CHANGELOG.md LICENSE docs "$OUT/$name/"
    tar -C "$OUT" --sort=name --owner=0 --group=0 -czf "$OUT/$name.tar.gz" "$name"
    echo "out/$name.tar.gz"
}

case ${1:-help} in
build) build_all ;;
demo) build_all && tests/demo/run.sh ;;
test) test_all ;;
lint)
    need_for_build
    need_for_test
    mkdir -p "$OUT"
    choose_framework
    rust-shim/debian-crates.sh
    lint
    ;;
bench)
    build_all
    need_for_counts
    install_missing
    run_cargo run --release --quiet -p memctl-bench -- run "${@:2}"
    ;;
guest) need_for_build && tests/linux-guest/build-image.sh ;;
shell) build_all && exec tests/linux-guest/shell.sh ;;
fuzz) fuzz "${2:-10}" ;;
package) package ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
