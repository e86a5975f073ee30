// SPDX-License-Identifier: Apache-2.0
//! Requests allocate nothing on the managed heap. One test, as the runtime counts for the whole process.

mod support;

use support::*;

const ROUNDS: u64 = 1000;

/// The runtime counts an allocating thread's memory by pieces of this size, so a count may be off by one piece for each
/// thread that allocates; there is one here.
const COUNTED_BY: u64 = 8192;

#[test]
fn a_thousand_requests_of_every_kind_allocate_nothing() {
    let plugin = plugin();
    let guest = Guest::new(&plugin, Mapping::private(64));
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
    };
    round();

    // Reading a counter allocates, the same each time: what two readings in a row differ by.
    let allocated = || guest.counter("managed_allocated_bytes");
    let readings: Vec<_> = (0..8).map(|_| allocated()).collect();
    let by_reading = readings.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();

    let before = allocated();
    for _ in 0..ROUNDS {
        round();
    }
    let by_requests = allocated() - before;
    eprintln!(
        "{by_requests} bytes with {ROUNDS} rounds of {} functions, {by_reading} without",
        functions().count()
    );
    assert!(by_requests <= by_reading + COUNTED_BY);
    // The smallest object has 24 bytes: one in any request of a round is far past what is tolerated.
    const { assert!(ROUNDS * 24 > 2 * COUNTED_BY) };
}
