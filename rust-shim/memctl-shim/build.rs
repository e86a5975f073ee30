// SPDX-License-Identifier: Apache-2.0
//! Links the plugin in where the feature `static` asks for it.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MEMCTL_STATIC_LIBRARY");
    if env::var_os("CARGO_FEATURE_STATIC").is_none() {
        return;
    }
    let Ok(folder) = env::var("MEMCTL_STATIC_LIBRARY") else {
        println!(
            "cargo::error=the feature static of memctl-shim needs MEMCTL_STATIC_LIBRARY, the folder of libmemctl_static.a \
             that ./build.sh static-library makes"
        );
        return;
    };
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=static=memctl_static");
    println!("cargo::rustc-link-lib=m");
    println!("cargo::rerun-if-changed={folder}/libmemctl_static.a");
}
