// SPDX-License-Identifier: Apache-2.0
//! What one request touches: instructions, cache lines, pages and system calls, counted and not timed.
//!
//! This program starts itself as `subject` under valgrind's lackey, which prints every instruction and every access to
//! memory. The subject stores to a marker page right before and right after each request; what lackey prints between two
//! such stores is the request's. valgrind counts what the processor is asked to do in user mode: no time, no kernel.

mod allocation;
mod breakdown;
mod empty;
mod ledger;
mod run;
mod subject;
mod symbols;
mod trace;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;

use memctl_shim::Plugin;

pub use breakdown::print as print_breakdown;
pub use ledger::{check, Counts, Ledger};
pub use run::measure;
pub use subject::run as run_subject;

use crate::bus::{self, Bus, Channel, Guest, Ram, PAGE, RAM};

/// A device to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// The library.
    Memctl,
    /// The plain Rust device.
    StandIn,
    /// A device that does nothing, called as the library is: what counting and calling alone cost.
    Empty,
}

/// What is counted, in the order of the marker page's slots.
pub const REQUESTS: [&str; 5] = ["crossing", "INFO", "DONTNEED", "MPROTECT_R", "MPROTECT_RW"];
const RAM_PAGES: u64 = 64;
/// The page that the first vCPU's requests name; the second's is the next.
const TARGET_PAGE: u64 = 32;

/// Counts the library's requests, for the file.
///
/// # Errors
/// valgrind or the library can't be used.
pub fn ledger(plugin: &Path) -> Result<Ledger, Box<dyn Error>> {
    let measured = measure(Subject::Memctl, plugin)?;
    let ram = Ram::new(RAM_PAGES);
    let device = bus::memctl(&Plugin::load(plugin)?, "", ram)?;
    let guest = Guest { bus: &device, ram };
    let channel = guest.connect([0])[0];
    let allocated = allocation::measure(&device, &guest, channel)?;
    let counts = |request: usize| Counts {
        allocated_bytes: allocated[request],
        ..measured.counts(request)
    };
    Ok((0..REQUESTS.len())
        .map(|request| (REQUESTS[request].to_owned(), counts(request)))
        .collect())
}

fn prepare(guest: &Guest<'_>, channel: Channel, request: usize) {
    let function = match REQUESTS[request] {
        "DONTNEED" => bus::DONTNEED,
        "MPROTECT_R" => bus::MPROTECT_R,
        "MPROTECT_RW" => bus::MPROTECT_RW,
        _ => bus::INFO,
    };
    guest.put(channel, function, RAM + TARGET_PAGE * PAGE + channel.buffer, PAGE);
}

/// The crossing is the smallest call into the device, a load of the command register; the others are requests. Inlined, so
/// that little more is counted than what the call itself takes.
#[inline(always)]
fn start(bus: &impl Bus, channel: Channel, request: usize) {
    if request == 0 {
        let mut bytes = [0; 4];
        bus.read(8, &mut bytes);
        black_box(bytes);
    } else {
        bus.write(8, &channel.command.to_le_bytes());
    }
}
