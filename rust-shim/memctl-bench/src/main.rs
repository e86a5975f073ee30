// SPDX-License-Identifier: Apache-2.0
//! What a memctl request costs.

mod bus;
mod count;
mod stand_in;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// Counts and times what a memctl request costs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print where the instructions, cache lines and pages of each request are.
    Breakdown {
        device: count::Subject,
        #[arg(long, default_value = "out/libmemctl.so")]
        plugin: PathBuf,
    },
    /// Count the library's requests and compare with the committed file; speaks TAP.
    Check {
        #[arg(long, default_value = "out/libmemctl.so")]
        plugin: PathBuf,
        #[arg(long, default_value = "rust-shim/memctl-bench/counts.json")]
        counts: PathBuf,
        /// Write the file instead.
        #[arg(long)]
        write: bool,
    },
    /// What `breakdown` and `check` start under valgrind.
    #[command(hide = true)]
    Subject { device: count::Subject, plugin: PathBuf },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Breakdown { device, plugin } => {
            let measured = count::measure(device, &plugin)?;
            for request in 0..count::REQUESTS.len() {
                count::print_breakdown(&measured, request);
            }
            Ok(())
        }
        Command::Check {
            plugin,
            counts,
            write,
        } => check(&plugin, &counts, write),
        Command::Subject { device, plugin } => count::run_subject(device, &plugin),
    }
}

fn check(plugin: &Path, file: &Path, write: bool) -> Result<(), Box<dyn Error>> {
    let measured = count::ledger(plugin)?;
    if write {
        let text = serde_json::to_string_pretty(&measured)? + "\n";
        return Ok(fs::write(file, text)?);
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = count::check(&serde_json::from_str(&text)?, &measured);
    for line in &lines {
        println!("{line}");
    }
    match lines.iter().filter(|line| line.starts_with("not ok")).count() {
        0 => Ok(()),
        worse => Err(format!("{worse} counts are worse than {}", file.display()).into()),
    }
}
