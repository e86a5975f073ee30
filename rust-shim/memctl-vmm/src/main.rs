// SPDX-License-Identifier: Apache-2.0
//! The reference VMM: a small one that hosts the memctl shim exactly as Cloud Hypervisor does, with the same flags and the
//! same sandbox.
//!
//! Exit status: 0 after the guest powered off or reset itself or the API ended it; the guest's own after a byte stored
//! to I/O port 0xf4; [`START_FAILED`] if the VM could not be made; [`GUEST_FAILED`] if the guest could not go on; 2 for a wrong
//! command line.

mod api;
mod boot;
mod config;
mod control;
mod cpuid;
mod dirty;
mod event;
mod layout;
mod memory;
mod memory_file;
mod option_list;
mod pci;
mod ports;
mod ram_map;
mod seccomp;
mod serial;
mod snapshot;
mod vcpu;
mod vcpu_state;
mod vm;

use std::panic;
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use memctl_shim::Plugin;

use crate::config::Arguments;

/// The VM could not be made: one sentence on standard error gives the reason.
const START_FAILED: u8 = 3;
/// The guest could not go on (an access fault, a triple fault, ...): one sentence on standard error gives the reason.
const GUEST_FAILED: u8 = 4;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.verbosity);
    end_with_a_panic();
    // Before any thread, signal handler or sandbox of ours: loading starts the plugin's runtime.
    match load_plugin(&arguments).and_then(|plugin| run(&arguments, plugin.as_ref())) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("memctl-vmm: {error:#}");
            ExitCode::from(START_FAILED)
        }
    }
}

fn load_plugin(arguments: &Arguments) -> Result<Option<Plugin>> {
    let path = arguments.plugin()?;
    let plugin = path
        .map(Plugin::load)
        .transpose()
        .context("can't load the plugin")?;
    if let Some(plugin) = &plugin {
        for device in &arguments.memctl {
            plugin
                .check_options(&device.options)
                .context("the plugin refuses its options")?;
        }
    }
    Ok(plugin)
}

fn run(arguments: &Arguments, plugin: Option<&Plugin>) -> Result<u8> {
    if let Some(plugin) = plugin {
        log::info!("{} offers ABI {}", plugin.path().display(), plugin.abi_version());
    }
    vcpu::own_the_kick_signal()?;
    let _terminal = serial::RawTerminal::new(&arguments.serial);
    control::run(arguments, plugin)
}

/// A panic of one thread ends the process, in every profile: a VM without one of its vCPUs would hang.
fn end_with_a_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        report(what);
        process::abort();
    }));
}

fn start_log(verbosity: u8) {
    let level = match verbosity {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        2 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    env_logger::Builder::new()
        .filter_level(level)
        .format_timestamp_micros()
        .init();
}
