#!/usr/bin/env bash
# The one entry: ./build.sh demo shows memctl at work, ./build.sh test runs every test. ./build.sh help lists the rest.
set -euo pipefail
cd -P "$(dirname "$0")"
TOP=$PWD
OUT=$TOP/out
# No emulated host outlives the process MEMCTL_OWNER.
export MEMCTL_OUT=$OUT MEMCTL_OWNER=$$
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

case $(uname -m) in
x86_64) RID=linux-x64 ;;
*)
    echo "build.sh: memctl is built and tested on x86-64; this machine is $(uname -m)." >&2
    exit 1
    ;;
esac

SUITES=(lint docs device model shim counts native packages rehearsals selftest linux-guest)

usage() {
    cat <<'TEXT'
usage: ./build.sh COMMAND
  build           make out/: libmemctl.so, memctl_plugin.h, memctl-vmm, memctl-top, selftest.elf
  demo            build, boot a guest and show what each function does
  test [SUITE...] build and run every test, or those of some suites: lint, docs, device, model, shim, counts, native,
                  packages, rehearsals, selftest, linux-guest; the last line is "N passed, N failed, N skipped"
  bench [--docs docs]
                  what a request costs, timed and counted, each figure with its bar, into out/ and docs/performance.md
  guest           the Linux guest side: driver, tool and the guest image of the tests
  shell           boot that guest with a shell on this terminal
  fuzz [MINUTES]  fuzz the device and the library (default 10)
  package         Debian packages, tarballs, symbols, the list of what is linked in, SHA256SUMS: out/packages/
  managed         what is C#, libmemctl.so and memctl-top, alone
  static-library  libmemctl_static.a, for programs that can load no plugin
  lint            formatters, analyzers and checkers, as part of test
Guests run on this machine's /dev/kvm where it boots them, else on an emulated host; MEMCTL_EMULATED=1 asks for that.
TEXT
}

# shellcheck source=tests/host/debian.sh
. tests/host/debian.sh

# Rust comes from Debian where it is new enough.
need_rust() {
    command -v cargo >/dev/null && return
    local needed candidate
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' rust-shim/Cargo.toml)
    candidate=$(apt-cache policy rustc | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
    if [ -z "$candidate" ] || dpkg --compare-versions "$candidate" lt "$needed"; then
        die "Rust is missing, $needed or newer: Debian 13 has it (cargo, rustc, rustfmt, rust-clippy); else rustup installs it"
    fi
    install_debian cargo rustc rustfmt rust-clippy
}

need_for_build() {
    command -v dotnet >/dev/null ||
        die "the .NET SDK 10 is missing: install the package dotnet-sdk-10.0 from Microsoft's package feed for Debian," \
            "or run Microsoft's dotnet-install.sh with --channel 10.0 and put its folder into PATH"
    need_rust
    need_programs gcc gcc make make /usr/include/x86_64-linux-gnu/sys/types.h libc6-dev /usr/include/seccomp.h libseccomp-dev
}

need_for_test() {
    need_programs shellcheck shellcheck strace strace g++ g++ setpriv util-linux valgrind valgrind \
        chromium-headless-shell chromium-headless-shell
    perl -MTAP::Parser -MJSON::PP -e 1 2>/dev/null || install_debian perl
    perl -MXML::LibXML -e 1 2>/dev/null || install_debian libxml-libxml-perl
}

# Compiling the emulated host's kernel takes long: it starts as soon as it is clear that it is needed, behind all else.
start_host_kernel() {
    if [ -w /dev/kvm ] && [ "${MEMCTL_EMULATED:-0}" = 0 ]; then
        return
    fi
    need_programs setpriv util-linux
    tests/host/kernel.sh --needs
    mkdir -p "$OUT"
    setpriv --pdeathsig TERM tests/host/kernel.sh >"$OUT/host-kernel.log" 2>&1 &
}

log() { printf '== %s\n' "$*"; }

# cargo_words SUBCOMMAND ARGUMENT...: sets words to cargo's command line. --config stands after the subcommand: cargo does
# not hand it on to clippy otherwise.
cargo_words() {
    words=(cargo "$1" --quiet --config "$TOP/.cache/cargo.toml" --manifest-path "$TOP/rust-shim/Cargo.toml" "${@:2}")
}

run_cargo() {
    local words
    cargo_words "$@"
    "${words[@]}"
}

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

build_top() {
    log "memctl-top"
    dotnet publish src/Memctl.Top -c Release -f "$MemctlFrameworks" -r "$RID" -o "$OUT/top" -v quiet
    put "$OUT/top/memctl-top"
}

# The same library with states of a later version, for the rehearsals.
build_later_plugin() {
    log "libmemctl.so of a later version"
    dotnet publish src/Memctl.Plugin -c Release -f "$MemctlFrameworks" -r "$RID" -v quiet \
        --artifacts-path "$OUT/later/build" -o "$OUT/later" -p:MemctlLaterState="$TOP/tests/later-plugin/LaterState.cs"
}

# The plugin for programs that can load none (docs/embedding.md).
build_static_library() {
    log "libmemctl_static.a"
    choose_framework
    dotnet publish src/Memctl.Plugin -c Release -f "$MemctlFrameworks" -r "$RID" -v quiet \
        --artifacts-path "$OUT/static-library/build" -o "$OUT/static-library" -p:NativeLib=Static
    native/static/link.sh "$OUT/static-library" "$OUT/libmemctl.so"
}

build_vmm() {
    log "memctl-vmm"
    rust-shim/debian-crates.sh
    run_cargo build --release -p memctl-vmm
    put rust-shim/target/release/memctl-vmm
}

build_all() {
    need_for_build
    mkdir -p "$OUT"
    rm -f "$OUT"/host/boots-*
    # Beside what is C#: neither keeps two processors busy alone.
    build_vmm &
    local vmm=$!
    build_plugin
    build_top
    wait "$vmm"
    log "selftest.elf"
    make -s -C native/selftest/guest OUT=../../../out
}

results() { tests/results.pl "$@" || FAILED=1; }
check() { results check lint "$@"; }

lint() {
    check "C#: dotnet format finds nothing" dotnet format MemctlPlugin.sln --verify-no-changes
    check "Rust: rustfmt finds nothing" cargo fmt --all --manifest-path rust-shim/Cargo.toml --check
    local words
    cargo_words clippy --release --all-targets -- -D warnings
    check "Rust: clippy finds nothing" "${words[@]}"
    # Not among all targets: cargo test leaves it out, as it needs a host to run in.
    cargo_words clippy --release -p memctl-vmm --test life_cycle -- -D warnings
    check "Rust: clippy finds nothing in the rehearsals" "${words[@]}"
    check "C: the header compiles as C11" \
        gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only native/include/memctl_plugin.h
    check "C: the header compiles as C++17" \
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ native/include/memctl_plugin.h
    check "Cloud Hypervisor: the series is of whole patches" \
        sh -c 'git apply --numstat "$@" >/dev/null' - rust-shim/cloud-hypervisor/series/*.patch
    local scripts
    mapfile -t scripts < <(git ls-files | grep -E '\.sh$|^\.ci/run$|^tests/(host|linux-guest|comparison/guest)/init$')
    check "shell: shellcheck finds nothing" shellcheck -x "${scripts[@]}"
}

# runner WORD...: cargo's option that has these words start what it runs
runner() {
    printf -- '--config=target.x86_64-unknown-linux-gnu.runner = ['
    printf '"%s",' "$@"
    printf ']'
}

test_suite() {
    local words
    log "$1"
    case $1 in
    lint) lint ;;
    device)
        results trx device "$OUT/reports/device" \
            dotnet test MemctlPlugin.sln --nologo -v quiet --logger trx --results-directory "$OUT/reports/device"
        ;;
    shim)
        # libtest keeps its report for programs behind a flag; it has not changed since 2018, and what can't be read is a
        # failure. Only the tests are told, not the compiler.
        # With the profile of the build, which has compiled what they need.
        cargo_words test --release --no-fail-fast "$(runner env RUSTC_BOOTSTRAP=1)" --lib --bins --tests \
            -- -Z unstable-options --format json
        results libtest shim "${words[@]}"
        cargo_words test --release --doc
        results check shim "the documentation's example compiles" "${words[@]}"
        ;;
    docs) results tap docs tests/docs/run.sh ;;
    model)
        need_programs spin spin
        results tap model tests/grace-period/run.sh
        ;;
    counts)
        cargo_words run --release -p memctl-bench -- check
        results tap counts "${words[@]}"
        ;;
    native) tests/native/run.sh || FAILED=1 ;;
    packages) results tap packages tests/packages/run.sh ;;
    rehearsals)
        build_later_plugin
        cargo_words test --release "$(runner "$TOP/tests/host/with-kvm.sh" -k debian bare-metal --)" -p memctl-vmm --test life_cycle
        results tap rehearsals "${words[@]}"
        ;;
    selftest) results tap selftest native/selftest/run.sh ;;
    linux-guest) tests/linux-guest/run.sh || FAILED=1 ;;
    esac
}

timed_suite() {
    local begin=$SECONDS
    test_suite "$1"
    log "$1: $((SECONDS - begin)) s"
}

test_all() {
    local suite job guests=() others=() running=()
    [ $# -gt 0 ] || set -- "${SUITES[@]}"
    for suite; do
        case $suite in
        rehearsals | selftest | linux-guest) guests+=("$suite") ;;
        *)
            [[ " ${SUITES[*]} " = *" $suite "* ]] || die "no suite $suite; there are: ${SUITES[*]}"
            others+=("$suite")
            ;;
        esac
    done
    need_for_test
    [ ${#guests[@]} -eq 0 ] || start_host_kernel
    build_all
    rm -rf "$OUT/logs" "$OUT/reports"
    mkdir -p "$OUT/logs" "$OUT/reports"
    export MEMCTL_LOGS=$OUT/logs MEMCTL_RESULTS=$OUT/reports/results
    : >"$MEMCTL_RESULTS"
    # Guests need one processor each where they are emulated, so they run beside the other suites (with-kvm.sh).
    export MEMCTL_LANES=$OUT/lanes
    mkdir -p "$MEMCTL_LANES"
    FAILED=0
    for suite in "${guests[@]}"; do
        # Not in a list with &&, in which a command that fails would not end it.
        (
            trap 'results check "$suite" "the suite runs to its end" false' EXIT
            timed_suite "$suite"
            trap - EXIT
            exit "$FAILED"
        ) &
        running+=($!)
    done
    for suite in "${others[@]}"; do
        timed_suite "$suite"
    done
    for job in "${running[@]}"; do
        wait "$job" || FAILED=1
    done
    tests/results.pl summary
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
    need_programs clang clang
    local version
    version=$(clang -dumpversion | cut -d. -f1)
    need_programs "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-x86_64.a" "libclang-rt-$version-dev"
    log "managed device: $(($1 * 30)) s"
    MEMCTL_FUZZ_SECONDS=$(($1 * 30)) dotnet test tests/Memctl.Device.Tests --nologo -v quiet --filter FullyQualifiedName~Fuzz
    log "library: $(($1 * 30)) s"
    tests/native/fuzz/run.sh "$(($1 * 30))"
}

# memctl-vmm is built anew for the packages: no path of this machine gets into it.
package() {
    build_all
    log "packages"
    local flags=("--remap-path-prefix=$TOP=/memctl" "--remap-path-prefix=$(memctl_cache "$TOP")=/crates"
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
    RUSTFLAGS=${flags[*]} run_cargo build --release -p memctl-vmm --target-dir "$OUT/packages/target"
    install -D -t "$OUT/packages/bin" "$OUT/packages/target/release/memctl-vmm"
    native/packages/make.sh debian
    native/packages/make.sh tarballs
    (cd "$OUT/packages" && ls -- *.deb *.tar.xz *.json SHA256SUMS)
}

case ${1:-help} in
build) build_all ;;
demo)
    build_all
    native/demo/run.sh
    ;;
test) test_all "${@:2}" ;;
lint)
    need_for_build
    need_for_test
    mkdir -p "$OUT"
    choose_framework
    rust-shim/debian-crates.sh
    FAILED=0
    lint
    [ "$FAILED" -eq 0 ]
    ;;
bench)
    build_all
    need_programs valgrind valgrind
    run_cargo run --release -p memctl-bench -- run "${@:2}"
    ;;
guest) need_for_build && tests/linux-guest/build-image.sh ;;
shell)
    start_host_kernel
    build_all
    exec tests/linux-guest/shell.sh
    ;;
fuzz) fuzz "${2:-10}" ;;
package) package ;;
static-library)
    need_for_build
    mkdir -p "$OUT"
    build_plugin
    build_static_library
    ;;
managed)
    need_for_build
    mkdir -p "$OUT"
    build_plugin
    build_top
    ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
