// SPDX-License-Identifier: Apache-2.0
//! Loads a plugin and prints the PCI function that it offers:
//!
//!     cargo run -p memctl-shim --example identity -- out/libmemctl.so

use std::path::Path;
use std::process::ExitCode;

use memctl_shim::{Error, Plugin};

fn identity(path: &Path) -> Result<(), Error> {
    let plugin = Plugin::load(path)?;
    let identity = plugin.pci_identity()?;
    println!(
        "{:04x}:{:04x}, ABI {}",
        identity.vendor_id,
        identity.device_id,
        plugin.abi_version()
    );
    Ok(())
}

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: identity PLUGIN");
        return ExitCode::from(2);
    };
    if let Err(error) = identity(Path::new(&path)) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
