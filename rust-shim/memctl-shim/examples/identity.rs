// SPDX-License-Identifier: Apache-2.0
//! Loads a plugin and prints the PCI function that it offers:
//!
//!     cargo run -p memctl-shim --example identity -- out/libmemctl.so
//!
//! Without a path, and with the feature `static`, it takes the one that is linked in.

use std::path::Path;
use std::process::ExitCode;

use memctl_shim::{Error, Plugin};

fn identity(plugin: &Plugin) -> Result<(), Error> {
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
    let plugin = match std::env::args_os().nth(1) {
        Some(path) => Plugin::load(Path::new(&path)),
        #[cfg(feature = "static")]
        None => Plugin::linked(),
        #[cfg(not(feature = "static"))]
        None => {
            eprintln!("usage: identity PLUGIN");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = plugin.and_then(|plugin| identity(&plugin)) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
