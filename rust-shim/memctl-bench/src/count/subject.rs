// SPDX-License-Identifier: Apache-2.0
//! The process that is counted.

use std::fs;
use std::hint::black_box;
use std::ptr::with_exposed_provenance_mut;
use std::sync::Barrier;
use std::thread;

use memctl_shim::Plugin;

use super::empty::Empty;
use super::{prepare, start, Subject, RAM_PAGES, REQUESTS};
use crate::bus::{self, Bus, Channel, Guest, Ram, PAGE, RAM};
use crate::stand_in::StandIn;

/// Where the marker page is: far from where the kernel and valgrind put anything.
pub const MARKER: u64 = 0x7_0000_0000;
const WARM_UP: usize = 64;

/// Runs each of [`REQUESTS`] warm, then once between two stores to the marker page: to bytes 16 n and 16 n + 8 for
/// request n, counted on through both vCPUs. Prints what it takes to read the trace: the maps, and a few addresses.
pub fn run(subject: Subject, plugin: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let ram = Ram::new(RAM_PAGES);
    match subject {
        Subject::StandIn => count(&StandIn::new(&[(RAM, ram)]), ram, true),
        Subject::Memctl => {
            // On the heap, as a VMM has it.
            let device = Box::new(bus::memctl(&Plugin::load(plugin)?, "", ram)?);
            count(&*device, ram, true);
        }
        Subject::Empty => count(&Empty::new(), ram, false),
    }
    print!("{}", fs::read_to_string("/proc/self/maps")?);
    Ok(())
}

/// `connects`: the device has channels.
fn count<B: Bus>(bus: &B, ram: Ram, connects: bool) {
    let marker = map_marker();
    let guest = Guest { bus, ram };
    let channels: [Channel; 2] = if connects {
        guest.connect([0, PAGE]).try_into().expect("two channels")
    } else {
        [0, PAGE].map(|buffer| Channel { command: 0, buffer })
    };
    // As vCPUs have them: threads whose stacks begin at a page's end, wherever arguments have put this one's. Both live to the
    // end, so that the second does not get the memory of the first; it begins when the first is done.
    let (done, lives) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            vcpu(bus, guest, channels[0], 0, marker);
            print_places(ram);
            done.wait();
            lives.wait();
        });
        scope.spawn(|| {
            done.wait();
            vcpu(bus, guest, channels[1], REQUESTS.len(), marker);
            lives.wait();
        });
    });
}

/// Makes the requests on one channel, marked from number `first` on.
fn vcpu<B: Bus>(bus: &B, guest: Guest<'_>, channel: Channel, first: usize, marker: Ram) {
    let marker = |word: usize| marker.at(8 * word as u64).cast::<u64>();

    for _ in 0..WARM_UP {
        for request in 0..REQUESTS.len() {
            prepare(&guest, channel, request);
            start(bus, channel, request);
        }
    }
    for (request, name) in REQUESTS.iter().enumerate() {
        prepare(&guest, channel, request);
        let slot = 2 * (first + request);
        let (begin, end) = (marker(slot), marker(slot + 1));
        // SAFETY: two words of the marker page.
        unsafe { marked(bus, channel, request, begin, end) };
        // A load has no answer; neither does the device that does nothing, which has no channels.
        if request > 0 && channel.command != 0 {
            assert_eq!(guest.outcome(channel), 0, "{name}");
        }
    }
}

/// Makes one request between two stores. Small and apart, so that its code does not lie across the border of two pages.
///
/// # Safety
/// Both words are writable.
#[inline(never)]
unsafe fn marked<B: Bus>(bus: &B, channel: Channel, request: usize, begin: *mut u64, end: *mut u64) {
    // SAFETY: promised by the caller.
    unsafe { begin.write_volatile(1) };
    // What the call needs of the device is loaded after the marker.
    start(black_box(bus), channel, request);
    // SAFETY: as above.
    unsafe { end.write_volatile(1) };
}

/// Addresses of the calling thread by which the trace's are told apart.
fn print_places(ram: Ram) {
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
