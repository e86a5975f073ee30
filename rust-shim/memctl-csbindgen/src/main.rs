// SPDX-License-Identifier: Apache-2.0
//! Writes `src/Memctl.Plugin/Abi/MemctlAbi.g.cs` from `memctl-shim/src/abi.rs`.
//!
//! ```text
//! cargo run --manifest-path rust-shim/memctl-csbindgen/Cargo.toml
//! ```
//!
//! The output is committed. Run this after every change of `abi.rs`; `tests/abi` fails when it was forgotten.

use std::error::Error;
use std::fs;
use std::path::Path;

const FILE_HEADER: &str = "// SPDX-License-Identifier: Apache-2.0\n\
    // From rust-shim/memctl-shim/src/abi.rs, by rust-shim/memctl-csbindgen.";

/// The structures that cross the boundary. Named here because the source has no function for csbindgen to find them by:
/// the plugin implements the functions, so the C# side has their types ([`memctl_functions`]) and imports none.
///
/// [`memctl_functions`]: ../../memctl-shim/src/abi.rs
const STRUCTURES: [&str; 7] = [
    "memctl_device",
    "memctl_host",
    "memctl_region",
    "memctl_pci_identity",
    "memctl_counter",
    "memctl_extent",
    "memctl_functions",
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = here.join("../memctl-shim/src/abi.rs");
    let output = here.join("../../src/Memctl.Plugin/Abi/MemctlAbi.g.cs");

    csbindgen::Builder::default()
        .input_extern_file(&source)
        .always_included_types(STRUCTURES)
        .csharp_file_header(FILE_HEADER)
        .csharp_namespace("Memctl.Plugin.Abi")
        .csharp_class_name("MemctlAbi")
        .csharp_disable_emit_dll_name(true)
        .csharp_generate_const_filter(|name| name.starts_with("MEMCTL_"))
        .generate_csharp_file(&output)?;

    let text = fs::read_to_string(&output)?;
    fs::write(&output, without_blank_runs(&text))?;
    Ok(())
}

/// csbindgen leaves trailing blanks and runs of empty lines where a part of its template is empty.
fn without_blank_runs(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut blank_before = true;
    for line in text.lines().map(str::trim_end) {
        let blank = line.is_empty();
        if !(blank && blank_before) {
            tidy.push_str(line);
            tidy.push('\n');
        }
        blank_before = blank || line.trim_start() == "{";
    }
    tidy.truncate(tidy.trim_end().len());
    tidy.push('\n');
    tidy
}
