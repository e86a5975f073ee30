// SPDX-License-Identifier: Apache-2.0
//! Neither requests nor the log records that a guest causes allocate on the managed heap. One test, as the runtime counts
//! for the whole process.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use memctl_shim::RegionFlags;
use support::*;

static RECORDS: AtomicU64 = AtomicU64::new(0);

struct Counted;

impl log::Log for Counted {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, _: &log::Record) {
        RECORDS.fetch_add(1, Ordering::Relaxed);
    }
    fn flush(&self) {}
}

const ROUNDS: u64 = 1000;

/// The runtime counts a thread's allocations in units of this size, so a count may be off by one unit for each thread that
/// allocates; there is one here.
const COUNTED_BY: u64 = 8192;

#[test]
fn a_thousand_requests_and_records_of_every_kind_allocate_nothing() {
    let plugin = plugin();
    log::set_logger(&Counted).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    // Room for the three records of each round.
    let options = "max_log_lines=6000";
    let guest = Guest::with(
        &plugin,
        Mapping::private(64),
        options,
        RegionFlags::default(),
        None,
    );
    let channel = guest.connect(1)[0];
    let functions = || {
        [INFO]
            .into_iter()
            .chain(DONTNEED..=SET_VMA_ANON_NAME)
            .chain([14, u64::MAX])
    };
    let round = || {
        for function in functions() {
            guest.on_pages(channel, function, 8, 8);
            guest.on_pages(channel, MPROTECT_RW, 8, 8);
        }
        // Refused: unaligned, and no guest memory.
        guest.call(channel, DONTNEED, RAM + 8, 100, 0);
        guest.call(channel, MLOCK, 0, PAGE, 0);
        assert_eq!(guest.read_u32(8), ACK);
        // Three records: a write of no meaning, an unknown channel, and a request that can't be answered.
        guest.device.write(0, 8, &[1, 2]);
        guest.device.write(0, 8, &0x8000_1000_u32.to_le_bytes());
        guest.memory.protect(0, PAGE, libc::PROT_READ);
        guest.device.write(0, 8, &channel.command.to_le_bytes());
        guest.memory.protect(0, PAGE, libc::PROT_READ | libc::PROT_WRITE);
    };
    round();
    assert_eq!(RECORDS.swap(0, Ordering::Relaxed), 3);

    // Reading a counter allocates, the same each time: what two readings in a row differ by.
    let allocated = || guest.counter("managed_allocated_bytes");
    let readings: Vec<_> = (0..8).map(|_| allocated()).collect();
    let by_reading = readings.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();

    let before = allocated();
    for _ in 0..ROUNDS {
        round();
    }
    let by_requests = allocated() - before;
    assert_eq!(RECORDS.load(Ordering::Relaxed), 3 * ROUNDS);
    eprintln!(
        "{by_requests} bytes with {ROUNDS} rounds of {} functions, {by_reading} without",
        functions().count()
    );
    assert!(by_requests <= by_reading + COUNTED_BY);
    // The smallest object has 24 bytes: one in any request of a round is far past what is tolerated.
    const { assert!(ROUNDS * 24 > 2 * COUNTED_BY) };
}
