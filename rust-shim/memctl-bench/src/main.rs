// SPDX-License-Identifier: Apache-2.0
//! What a memctl request costs: counted under valgrind, and timed beside bare system calls and a plain Rust device.

mod blocks;
mod bus;
mod control;
mod count;
mod counted;
mod docs;
mod measure;
mod picture;
mod report;
mod requests;
mod scaling;
mod stand_in;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::report::Report;

/// Counts and times what a memctl request costs.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything; print figures with their bars, write performance.json and performance.svg.
    Run {
        #[arg(long, default_value = "out/libmemctl.so")]
        plugin: PathBuf,
        /// Where the two files go.
        #[arg(long, default_value = "out")]
        directory: PathBuf,
        /// Bring the run into performance.md and performance.svg of this directory too.
        #[arg(long)]
        docs: Option<PathBuf>,
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
    /// Print where the instructions, cache lines and pages of each request are.
    Breakdown {
        device: count::Subject,
        #[arg(long, default_value = "out/libmemctl.so")]
        plugin: PathBuf,
    },
    /// What the others start under valgrind.
    #[command(hide = true)]
    Subject { device: count::Subject, plugin: PathBuf },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Run {
            plugin,
            directory,
            docs,
        } => run(&plugin, &directory, docs.as_deref()),
        Command::Check {
            plugin,
            counts,
            write,
        } => check(&plugin, &counts, write),
        Command::Breakdown { device, plugin } => {
            let measured = count::measure(device, &plugin)?;
            for request in 0..count::REQUESTS.len() {
                count::print_breakdown(&measured, request);
            }
            Ok(())
        }
        Command::Subject { device, plugin } => count::run_subject(device, &plugin),
    }
}

fn run(path: &Path, directory: &Path, docs: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new();
    let plugin = control::load(path, &mut report)?;
    requests::run(&plugin, &mut report)?;
    counted::run(path, &mut report)?;
    blocks::run(&plugin, &mut report)?;
    scaling::splits(&plugin, &mut report)?;
    scaling::regions(&plugin, &mut report)?;
    scaling::channels(&plugin, &mut report)?;
    control::statistics(&plugin, &mut report)?;
    fs::write(
        directory.join("performance.json"),
        serde_json::to_string_pretty(&report)? + "\n",
    )?;
    fs::write(directory.join("performance.svg"), picture::draw(&report))?;
    if let Some(docs) = docs {
        docs::write(&report, docs)?;
    }
    println!(
        "{} bars missed; {}/performance.json, performance.svg",
        report.missed(),
        directory.display()
    );
    Ok(())
}

fn check(plugin: &Path, file: &Path, write: bool) -> Result<(), Box<dyn Error>> {
    let measured = count::ledger(plugin)?;
    if write {
        let text = serde_json::to_string_pretty(&measured)? + "\n";
        return Ok(fs::write(file, text)?);
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = count::check(&serde_json::from_str(&text)?, &measured);
    println!("1..{}", lines.len());
    for line in &lines {
        println!("{line}");
    }
    match lines.iter().filter(|line| line.starts_with("not ok")).count() {
        0 => Ok(()),
        worse => Err(format!("{worse} counts are worse than {}", file.display()).into()),
    }
}
