// SPDX-License-Identifier: Apache-2.0
//! How costs grow with guest RAM that comes and goes in blocks, as virtio-mem's does.

use std::cell::Cell;
use std::error::Error;
use std::time::Instant;

use memctl_shim::{Device, Plugin, Region, RegionFlags};

use crate::bus::{self, Channel, Guest, Ram, DONTNEED, PAGE};
use crate::measure::{alternate, Spread};
use crate::report::{Bar, Curve, Report, Series};

const BLOCKS: [u64; 7] = [1, 8, 64, 512, 4_096, 65_536, 524_288];
/// Bytes of a block, which are those of virtio-mem's in Cloud Hypervisor.
const BLOCK: u64 = 2 << 20;
/// Where blocks begin in guest-physical space.
const FIRST: u64 = 0x100_0000_0000;
/// Blocks that a figure takes away and brings back, one by one.
const CHANGED: usize = 256;
/// How often each of them is.
const ROUNDS: usize = 8;

/// A fixed shuffle of the numbers below `count`, a power of two or not.
fn shuffled(count: u64) -> Vec<u64> {
    let mut numbers: Vec<_> = (0..count).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for last in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(last, (state % (last as u64 + 1)) as usize);
    }
    numbers
}

/// A region of guest RAM whose blocks come and go.
struct Blocks<'a> {
    device: &'a Device,
    reserved: Ram,
}

impl<'a> Blocks<'a> {
    fn new(device: &'a Device, count: u64) -> Result<Self, memctl_shim::Error> {
        let reserved = Ram::new(count * BLOCK / PAGE);
        let region = Region {
            guest_address: FIRST,
            length: reserved.length,
            host_address: reserved.start,
            block_size: BLOCK,
            flags: RegionFlags::default(),
        };
        // SAFETY: mapped to the end of the process, accessed through raw pointers only.
        unsafe { device.register_memory(&region)? };
        Ok(Blocks { device, reserved })
    }

    fn address(block: u64) -> u64 {
        FIRST + block * BLOCK
    }

    fn plug(&self, block: u64) {
        self.device
            .plug_memory(Self::address(block), BLOCK)
            .expect("an absent block");
    }

    fn unplug(&self, block: u64) {
        self.device
            .unplug_memory(Self::address(block), BLOCK)
            .expect("a present block");
    }
}

/// Microseconds that a call takes.
fn microseconds(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64() * 1e6
}

/// Unplugs and plugs blocks one by one, some times over: microseconds of each block's fastest change of either kind. What
/// else the machine does delays some changes of a block, and not all.
fn best_of_rounds(blocks: &Blocks<'_>, changed: &[u64]) -> (Vec<f64>, Vec<f64>) {
    let mut best = (vec![f64::MAX; changed.len()], vec![f64::MAX; changed.len()]);
    let keep = |best: &mut f64, time: f64| *best = best.min(time);
    for _ in 0..ROUNDS {
        for (best, &block) in best.0.iter_mut().zip(changed) {
            keep(best, microseconds(|| blocks.unplug(block)));
        }
        for (best, &block) in best.1.iter_mut().zip(changed) {
            keep(best, microseconds(|| blocks.plug(block)));
        }
    }
    best
}

/// The slowest of the blocks, with the median block as the lowest.
fn slowest(times: Vec<f64>) -> Spread {
    let spread = Spread::of(times);
    Spread {
        median: spread.max,
        min: spread.median,
        max: spread.max,
    }
}

/// Counted page by page: what /proc/self/status says is up to some hundred pages old.
fn resident_kib() -> f64 {
    let counted = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = counted.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(f64::NAN)
}

/// A request that is looked up and then does nothing: of no length, at a random present block. No system call hides it.
fn look_up(guest: &Guest<'_>, channel: Channel, present: &[u64], next: &Cell<usize>) {
    next.set(next.get().wrapping_add(1));
    let block = present[next.get() % present.len()];
    guest.request(channel, DONTNEED, Blocks::address(block), 0);
}

pub fn run(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let most = BLOCKS[BLOCKS.len() - 1];
    let order = shuffled(most);
    // So that reading the list of addresses costs the same whatever their number.
    let sample = |present: &[u64]| -> Vec<u64> { present.iter().rev().take(1024).copied().collect() };
    let ram = Ram::new(16);
    let device = bus::memctl(plugin, "", ram)?;
    let guest = Guest { bus: &device, ram };
    let channel = guest.connect([0])[0];
    // One block, for ever: what a lookup costs more than there is measured beside it.
    let single_device = bus::memctl(plugin, "", ram)?;
    let single = Guest {
        bus: &single_device,
        ram,
    };
    let single_channel = single.connect([1])[0];
    Blocks::new(&single_device, 1)?.plug(0);
    let resident = resident_kib();
    let blocks = Blocks::new(&device, most)?;
    let mut present = 0;
    let (mut look_ups, mut beyond_single) = (Vec::new(), Vec::new());
    let (mut plugs, mut unplugs) = (Vec::new(), Vec::new());
    for count in BLOCKS {
        while present < count {
            blocks.plug(order[present as usize]);
            present += 1;
        }
        let sample = sample(&order[..present as usize]);
        let next = Cell::new(0);
        let times = alternate(&[&|| look_up(&guest, channel, &sample, &next), &|| {
            look_up(&single, single_channel, &[0], &next)
        }]);
        look_ups.push((count as f64, times.side(0)));
        beyond_single.push(times.figure(|sides| sides[0] - sides[1]).median);

        // Each round takes blocks away and brings them back, so that their number stays.
        let changed = &sample[..sample.len().min(CHANGED)];
        let (unplugged, plugged) = best_of_rounds(&blocks, changed);
        plugs.push((count as f64, slowest(plugged)));
        unplugs.push((count as f64, slowest(unplugged)));
    }
    let added = Spread::exact((resident_kib() - resident) / 1024.0);

    let beyond_single = Spread::of(beyond_single);
    let worst = |points: &[(f64, Spread)]| {
        let worst = points
            .iter()
            .map(|point| point.1)
            .max_by(|one, other| one.median.total_cmp(&other.median));
        worst.unwrap_or(Spread::exact(f64::NAN))
    };
    for (count, value) in &look_ups {
        report.add(
            format!("lookup among {count} blocks: a request without length"),
            "ns",
            *value,
        );
    }
    let name = format!("lookup: slowest to fastest from 1 to {most} blocks");
    report.check(
        name,
        "ns",
        Spread::exact(beyond_single.max - beyond_single.min),
        Bar::AtMost(10.0),
    );
    let name = format!("plug a block: slowest block from 1 to {most}");
    report.check(name, "us", worst(&plugs), Bar::AtMost(5.0));
    let name = format!("unplug a block: slowest block from 1 to {most}");
    report.check(name, "us", worst(&unplugs), Bar::AtMost(5.0));
    report.check(
        format!("memory for {most} blocks"),
        "MiB",
        added,
        Bar::AtMost(4.0),
    );
    adjoining(report, &guest, channel, &blocks);
    every_other(report, &blocks);

    report.curves.push(Curve {
        title: "Blocks: lookup",
        x: "present blocks of 2 MiB",
        y: "ns for a request",
        limit: None,
        series: vec![Series {
            name: "lookup, memctl",
            points: look_ups,
        }],
    });
    report.curves.push(Curve {
        title: "Blocks: plug and unplug",
        x: "present blocks of 2 MiB",
        y: "us for the slowest block",
        limit: Some(5.0),
        series: vec![
            Series {
                name: "plug",
                points: plugs,
            },
            Series {
                name: "unplug",
                points: unplugs,
            },
        ],
    });
    Ok(())
}

/// A discard over many blocks beside one madvise over the same memory.
fn adjoining(report: &mut Report, guest: &Guest<'_>, channel: Channel, blocks: &Blocks<'_>) {
    let count = 4_090;
    let length = count * BLOCK;
    let times = alternate(&[
        &|| {
            // SAFETY: guest RAM, behind no reference.
            let status =
                unsafe { libc::madvise(blocks.reserved.start.cast(), length as usize, libc::MADV_DONTNEED) };
            assert_eq!(status, 0);
        },
        &|| guest.request(channel, DONTNEED, Blocks::address(0), length),
    ]);
    let ratio = times.figure(|sides| sides[1] / sides[0]);
    report.add(
        format!("DONTNEED over {count} adjoining blocks: to one madvise"),
        "",
        ratio,
    );
}

/// The map at its most broken up: every other block goes.
fn every_other(report: &mut Report, blocks: &Blocks<'_>) {
    let most = BLOCKS[BLOCKS.len() - 1];
    let changed: Vec<_> = (0..most).step_by(2).collect();
    let (unplugged, _) = best_of_rounds(blocks, &changed);
    let name = format!("unplug every other block of {most}: slowest block");
    report.check(name, "us", slowest(unplugged), Bar::AtMost(5.0));
}
