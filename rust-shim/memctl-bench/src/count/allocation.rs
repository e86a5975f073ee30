// SPDX-License-Identifier: Apache-2.0
//! Bytes that a request allocates.

use std::error::Error;

use memctl_shim::Device;

use super::{prepare, start, REQUESTS};
use crate::bus::{Channel, Guest};

/// The runtime counts by blocks of 8 KiB, so a sum over this many requests is exact to less than half a byte for each.
const ROUNDS: u64 = 20_000;

/// Bytes that each of [`REQUESTS`] allocates on the managed heap and by malloc, the first time not counted.
pub fn measure(device: &Device, guest: &Guest<'_>, channel: Channel) -> Result<Vec<u64>, Box<dyn Error>> {
    let managed = || -> Result<u64, Box<dyn Error>> {
        let counters = device.counters()?;
        let counter = counters
            .iter()
            .find(|counter| counter.name == "managed_allocated_bytes");
        Ok(counter.ok_or("the library does not count its allocations")?.value)
    };
    // Reading the counter allocates too, the same each time.
    managed()?;
    let (first, second) = (managed()?, managed()?);
    let by_reading = second - first;

    let mut allocated = Vec::new();
    for request in 0..REQUESTS.len() {
        let before = (managed()?, native());
        for _ in 0..ROUNDS {
            prepare(guest, channel, request);
            start(device, channel, request);
        }
        let by_malloc = native().saturating_sub(before.1);
        let by_runtime = (managed()? - before.0).saturating_sub(by_reading);
        allocated.push((by_runtime + by_malloc) / ROUNDS);
    }
    Ok(allocated)
}

/// Bytes that malloc has given out and not got back.
fn native() -> u64 {
    // SAFETY: no arguments.
    unsafe { libc::mallinfo2() }.uordblks as u64
}
