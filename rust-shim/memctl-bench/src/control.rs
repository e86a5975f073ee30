// SPDX-License-Identifier: Apache-2.0
//! The control plane: starting up, and reading statistics while guests keep the device busy.

use std::error::Error;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memctl_shim::Plugin;

use crate::bus::{self, Guest, Ram, MLOCK, MUNLOCK, PAGE, RAM};
use crate::measure::{tail, Spread};
use crate::report::{Bar, Report};

/// What each of two vCPUs locks and unlocks in a loop.
const LOCKED_PAGES: u64 = (120 << 20) / PAGE;
const READINGS: usize = 300;
/// When to stop reading, however few readings there are.
const LONGEST: Duration = Duration::from_secs(5);

/// Loads the library: the time is that of the process's first call.
pub fn load(path: &Path, report: &mut Report) -> Result<Plugin, Box<dyn Error>> {
    let start = Instant::now();
    let plugin = Plugin::load(path)?;
    let first = Spread::exact(start.elapsed().as_secs_f64() * 1e3);
    report.check(
        "start-up: load the library, first call",
        "ms",
        first,
        Bar::AtMost(3.0),
    );
    Ok(plugin)
}

/// Statistics while two vCPUs lock memory. Whoever reads them has a processor that no vCPU uses, as it is a wait for the device
/// that is looked for, not one for a processor.
pub fn statistics(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let [reader, .., vcpus] = processors()[..] else {
        println!("# statistics while vCPUs lock: not measured, it takes two processors");
        return Ok(());
    };
    let ram = Ram::new(16 + 2 * LOCKED_PAGES);
    let device = bus::memctl(plugin, "", ram)?;
    let guest = Guest { bus: &device, ram };
    let channels = guest.connect([0, PAGE]);
    let stop = AtomicBool::new(false);
    let times = thread::scope(|scope| {
        for (index, &channel) in channels.iter().enumerate() {
            let (guest, stop) = (&guest, &stop);
            scope.spawn(move || {
                run_on(vcpus);
                let address = RAM + (16 + index as u64 * LOCKED_PAGES) * PAGE;
                while !stop.load(Ordering::Relaxed) {
                    guest.request(channel, MLOCK, address, LOCKED_PAGES * PAGE);
                    guest.request(channel, MUNLOCK, address, LOCKED_PAGES * PAGE);
                }
            });
        }
        let readings = scope.spawn(|| {
            run_on(reader);
            let start = Instant::now();
            let times: Result<Vec<_>, _> = (0..READINGS)
                .take_while(|_| start.elapsed() < LONGEST)
                .map(|_| {
                    // Readings spread over many locks, not all of them between two.
                    thread::sleep(Duration::from_millis(5));
                    let start = Instant::now();
                    device.counters().map(|_| start.elapsed().as_secs_f64() * 1e3)
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            times
        });
        readings.join().expect("the reading thread panicked")
    })?;
    report.check(
        "statistics while two vCPUs lock 120 MiB each in a loop, 99 of 100",
        "ms",
        tail(times),
        Bar::AtMost(1.0),
    );
    Ok(())
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    // SAFETY: a set of processors is plain bits.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel fills a set of this size.
    let failed = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    assert_eq!(failed, 0, "the kernel knows more processors than a set has");
    (0..libc::CPU_SETSIZE as usize)
        // SAFETY: within the set.
        .filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) })
        .collect()
}

/// Keeps the calling thread on a processor that [`processors`] named.
fn run_on(processor: usize) {
    // SAFETY: as in `processors`.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: within the set.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the kernel reads a set of this size.
    let failed = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
    assert_eq!(failed, 0, "processor {processor} is gone");
}
