// SPDX-License-Identifier: Apache-2.0
//! The process that is counted.

use std::fs;
use std::ptr::with_exposed_provenance_mut;
use std::thread;

use memctl_shim::Plugin;

use super::{prepare, start, Subject, RAM_PAGES, REQUESTS};
use crate::bus::{self, Bus, Guest, Ram, PAGE, RAM};
use crate::stand_in::StandIn;

/// Where the marker page is: far from where the kernel and valgrind put anything.
pub const MARKER: u64 = 0x7_0000_0000;
const WARM_UP: usize = 64;

/// Runs each of [`REQUESTS`] warm, then once between two stores to the marker page: to bytes 16 n and 16 n + 8 for
/// request n. Prints what it takes to read the trace: the maps, and a few addresses.
pub fn run(subject: Subject, plugin: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let marker = map_marker();
    let ram = Ram::new(RAM_PAGES);
    let bus: Box<dyn Bus> = match subject {
        Subject::StandIn => Box::new(StandIn::new(&[(RAM, ram)])),
        Subject::Memctl => Box::new(bus::memctl(&Plugin::load(plugin)?, "", ram)?),
    };
    // As a vCPU has one: a thread whose stack begins at a page's end, wherever arguments have put this one's.
    thread::scope(|scope| scope.spawn(|| vcpu(&*bus, ram, marker)).join())
        .map_err(|_| "the counted thread panicked")?;
    print!("{}", fs::read_to_string("/proc/self/maps")?);
    Ok(())
}

fn vcpu(bus: &dyn Bus, ram: Ram, marker: Ram) {
    let guest = Guest { bus, ram };
    let channel = guest.connect([0])[0];
    let marker = |word: usize| marker.at(8 * word as u64).cast::<u64>();

    for _ in 0..WARM_UP {
        for request in 0..REQUESTS.len() {
            prepare(&guest, channel, request);
            start(&guest, channel, request);
        }
    }
    for (request, name) in REQUESTS.iter().enumerate() {
        prepare(&guest, channel, request);
        let (begin, end) = (marker(2 * request), marker(2 * request + 1));
        // SAFETY: two words of the marker page.
        unsafe { begin.write_volatile(1) };
        start(&guest, channel, request);
        // SAFETY: as above.
        unsafe { end.write_volatile(1) };
        if request > 0 {
            assert_eq!(guest.outcome(channel), 0, "{name}");
        }
    }

    // SAFETY: no arguments.
    let thread = unsafe { libc::pthread_self() };
    println!("ram {:x}", ram.start as usize);
    println!("thread {thread:x}");
    println!("stack {:x}", &raw const thread as usize);
}

fn map_marker() -> Ram {
    let wanted = with_exposed_provenance_mut(MARKER as usize);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping at an address that must be free.
    let marker = unsafe { libc::mmap(wanted, PAGE as usize, access, flags, -1, 0) };
    assert_eq!(marker, wanted, "the marker page's place is taken");
    Ram {
        start: marker.cast(),
        length: PAGE,
    }
}
