// SPDX-License-Identifier: Apache-2.0
//! Times of single requests, in layers: the system call alone, the crossing alone, whole requests, several threads.

use std::error::Error;
use std::hint::black_box;
use std::thread;

use memctl_shim::Plugin;

use crate::bus::{self, Bus, Channel, Guest, Ram, DONTNEED, INFO, PAGE, RAM};
use crate::measure::{after, alternate, rates};
use crate::report::{Bar, Curve, Report, Series};
use crate::stand_in::StandIn;

/// Pages of guest RAM: buffers in the first ones, a page to work on for each thread after them.
const PAGES: u64 = 128;
const WORK: u64 = 64;
const MOST_THREADS: usize = 16;
/// Memory that is walked to make caches cold: past the first level and the first-level TLB.
const WALKED_PAGES: u64 = 256;

/// A device with its channels, one for each thread, each with a page of its own to work on.
struct Side<'a> {
    guest: Guest<'a>,
    channels: Vec<Channel>,
}

impl<'a> Side<'a> {
    fn new(bus: &'a dyn Bus, ram: Ram) -> Self {
        let guest = Guest { bus, ram };
        let channels = guest.connect((0..MOST_THREADS as u64).map(|channel| channel * PAGE));
        Side { guest, channels }
    }

    fn info(&self, thread: usize) {
        self.guest.request(self.channels[thread], INFO, 0, 0);
    }

    fn discard(&self, thread: usize) {
        self.guest
            .on_page(self.channels[thread], DONTNEED, WORK + thread as u64);
    }
}

pub fn run(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (ram, other_ram) = (Ram::new(PAGES), Ram::new(PAGES));
    let device = bus::memctl(plugin, "", ram)?;
    let stand_in = StandIn::new(&[(RAM, other_ram)]);
    let (memctl, rust) = (Side::new(&device, ram), Side::new(&stand_in, other_ram));

    layers(report, &memctl, &rust);
    cold(report, &memctl, &rust);
    discards(report, &memctl, &rust, &ram, &other_ram);
    threads(report, &memctl, &rust, &ram);
    Ok(())
}

fn system_call() {
    // SAFETY: no arguments.
    black_box(unsafe { libc::syscall(libc::SYS_getppid) });
}

fn layers(report: &mut Report, memctl: &Side<'_>, rust: &Side<'_>) {
    let times = alternate(&[
        &system_call,
        &|| _ = black_box(memctl.guest.load(8)),
        &|| memctl.info(0),
        &|| rust.info(0),
    ]);
    report.add("getppid(), a system call that does nothing", "ns", times.side(0));
    report.add("crossing alone: mmio_read", "ns", times.side(1));
    report.add("INFO warm: memctl", "ns", times.side(2));
    report.add("INFO warm: plain Rust device", "ns", times.side(3));
    let ratio = times.figure(|sides| sides[2] / sides[3]);
    report.check(
        "INFO warm: memctl to plain Rust device",
        "",
        ratio,
        Bar::AtMost(0.3),
    );
}

fn cold(report: &mut Report, memctl: &Side<'_>, rust: &Side<'_>) {
    let walked = Ram::new(WALKED_PAGES);
    let walk = || {
        for offset in (0..walked.length).step_by(64) {
            // SAFETY: inside the mapping; raw accesses only.
            unsafe { walked.at(offset).write_volatile(1) };
        }
    };
    for (name, before, limit) in [
        ("right after a system call", &system_call as &dyn Fn(), Some(0.6)),
        ("after a walk over 1 MiB", &walk, None),
    ] {
        let crossing: &dyn Fn() = &|| _ = black_box(memctl.guest.load(8));
        let times = after(before, &[&|| memctl.info(0), &|| rust.info(0), crossing]);
        report.add(format!("crossing alone {name}: mmio_read"), "ns", times.side(2));
        report.add(format!("INFO {name}: memctl"), "ns", times.side(0));
        report.add(format!("INFO {name}: plain Rust device"), "ns", times.side(1));
        let ratio = times.figure(|sides| sides[0] / sides[1]);
        let name = format!("INFO {name}: memctl to plain Rust device");
        match limit {
            Some(limit) => report.check(name, "", ratio, Bar::AtMost(limit)),
            None => report.add(name, "", ratio),
        }
    }
}

fn discards(report: &mut Report, memctl: &Side<'_>, rust: &Side<'_>, ram: &Ram, other_ram: &Ram) {
    let touched = |before: &dyn Fn(), discard: &dyn Fn()| {
        before();
        discard();
    };
    let (touch, other_touch) = (|| ram.touch(WORK), || other_ram.touch(WORK));
    let (bare, ours, theirs) = (|| ram.discard(WORK), || memctl.discard(0), || rust.discard(0));
    for (name, times) in [
        ("absent", alternate(&[&bare, &ours, &theirs])),
        (
            "just touched",
            alternate(&[&|| touched(&touch, &bare), &|| touched(&touch, &ours), &|| {
                touched(&other_touch, &theirs)
            }]),
        ),
    ] {
        let of_touching = if name == "absent" {
            ""
        } else {
            ", with the touching"
        };
        report.add(
            format!("madvise of 4 KiB, {name}{of_touching}"),
            "ns",
            times.side(0),
        );
        let over = |side: usize| times.figure(move |sides| sides[side] - sides[0]);
        report.add(
            format!("DONTNEED of 4 KiB, {name}: memctl over madvise"),
            "ns",
            over(1),
        );
        report.add(
            format!("DONTNEED of 4 KiB, {name}: plain Rust device over madvise"),
            "ns",
            over(2),
        );
        let ratio = times.ratio(|sides| sides[1] - sides[0], |sides| sides[2] - sides[0]);
        let name = format!("DONTNEED of 4 KiB, {name}: memctl's overhead to that of the Rust device");
        if of_touching.is_empty() {
            report.check(name, "", ratio, Bar::AtMost(0.5));
        } else {
            // The fault that touching takes hides the overhead, so it has no bar.
            report.add(name, "", ratio);
        }
    }
}

fn threads(report: &mut Report, memctl: &Side<'_>, rust: &Side<'_>, ram: &Ram) {
    let available = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS);
    let mut series = [
        ("INFO, memctl", Vec::new()),
        ("INFO, plain Rust", Vec::new()),
        ("DONTNEED beside madvise", Vec::new()),
    ];
    for threads in 1..=available {
        let rates = rates(
            threads,
            &[
                &|thread| memctl.info(thread),
                &|thread| rust.info(thread),
                &|thread| memctl.discard(thread),
                &|thread| ram.discard(WORK + thread as u64),
            ],
        );
        // Two rates for each side, that of one thread first.
        let scaling = |rates: &[f64], side: usize| rates[2 * side + 1] / rates[2 * side];
        let info = rates.figure(|rates| scaling(rates, 0));
        let rust_info = rates.figure(|rates| scaling(rates, 1));
        // What the kernel's own locks cost the bare call too is taken out.
        let discard = rates.figure(|rates| threads as f64 * scaling(rates, 2) / scaling(rates, 3));
        for ((_, points), value) in series.iter_mut().zip([info, rust_info, discard]) {
            points.push((threads as f64, value));
        }
        if threads == 2 {
            report.check("INFO: two threads to one, memctl", "", info, Bar::AtLeast(1.95));
            report.add("INFO: two threads to one, plain Rust device", "", rust_info);
            let two = rates.figure(|rates| rates[5] / rates[7]);
            report.add(
                "DONTNEED of 4 KiB, absent: two threads to two of the bare madvise",
                "",
                two,
            );
            report.check(
                "DONTNEED of 4 KiB, absent: two threads to one, beside the bare madvise",
                "",
                discard,
                Bar::AtLeast(1.95),
            );
        }
    }
    let [info, rust_info, discard] = series;
    report.curves.push(Curve {
        title: "Threads",
        x: "threads",
        y: "times the work of one",
        limit: None,
        series: [info, rust_info, discard]
            .into_iter()
            .map(|(name, points)| Series { name, points })
            .collect(),
    });
}
