#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh TREE: times requests of out/libmemctl.so beside those of the device pvmemcontrol in TREE, a tree of Cloud
# Hypervisor v53.0, with or without our series. Built in TREE, with its sources of crates and the profile of its release.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
if [ $# -ne 1 ] || ! [ -f "$1/devices/src/pvmemcontrol.rs" ]; then
	echo "usage: $0 TREE, a tree of Cloud Hypervisor" >&2
	exit 2
fi
tree=$(cd "$1" && pwd -P)
package=$tree/target/memctl-bench

mkdir -p "$package/src"
cp "$here/bench/main.rs" "$top/rust-shim/memctl-bench/src/"{bus,measure}.rs "$package/src/"
cat > "$package/Cargo.toml" << MANIFEST
[package]
name = "memctl-bench"
version = "0.0.0"
edition = "2021"

[workspace]

[dependencies]
devices = { path = "$tree/devices", features = ["kvm", "pvmemcontrol"] }
vm-device = { path = "$tree/vm-device" }
vm-memory = { version = "*", features = ["backend-atomic", "backend-bitmap", "backend-mmap"] }
memctl-shim = { path = "$top/rust-shim/memctl-shim" }
libc = "*"
serde = { version = "*", features = ["derive"] }

[profile.release]
codegen-units = 1
lto = true
opt-level = "s"
MANIFEST
cd "$package"
cargo build --release --quiet
exec target/release/memctl-bench "$top/out/libmemctl.so"
