// SPDX-License-Identifier: Apache-2.0
//! How costs grow with what a guest has set up: splits and channels.

use std::error::Error;

use memctl_shim::{Plugin, Region, RegionFlags};

use crate::bus::{self, Channel, Guest, Ram, INFO, MPROTECT_NONE, MPROTECT_R, MPROTECT_RW, PAGE, RAM};
use crate::measure::{alternate, Spread, Times};
use crate::report::{Bar, Curve, Report, Series};
use crate::stand_in::StandIn;

const SPLITS: [u64; 5] = [0, 64, 1_000, 4_000, 16_000];
const CHANNELS: [u64; 5] = [1, 16, 256, 1_024, 4_096];
/// As many as a device takes.
const REGIONS: u64 = 4_096;
/// Where a region lies that no guest touches.
const ELSEWHERE: u64 = 0x80_0000_0000;

/// Protects a page, and takes it back: two changes.
fn change_twice(guest: &Guest<'_>, channel: Channel, page: u64) {
    guest.on_page(channel, MPROTECT_R, page);
    guest.on_page(channel, MPROTECT_RW, page);
}

/// The same by bare system calls, in turn with it: both beside the same mappings.
fn beside_bare(guest: &Guest<'_>, channel: Channel, page: u64) -> Times {
    alternate(&[&|| change_twice(guest, channel, page), &|| {
        guest.ram.protect(page, libc::PROT_READ);
        guest.ram.protect(page, libc::PROT_READ | libc::PROT_WRITE);
    }])
}

/// A changed page in the midst of guard pages, each of which splits two mappings off.
pub fn splits(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let most = SPLITS[SPLITS.len() - 1];
    let first = 64;
    let ram = Ram::new(first + 2 * most + 64);
    let device = bus::memctl(plugin, "", ram)?;
    let guest = Guest { bus: &device, ram };
    let channel = guest.connect([0])[0];
    let mut series = [("MPROTECT, memctl", Vec::new()), ("bare mprotect", Vec::new())];
    let mut guards = 0;
    for splits in SPLITS {
        while guards < splits / 2 {
            guest.on_page(channel, MPROTECT_NONE, first + 4 * guards);
            guards += 1;
        }
        // With a page on either side to the next guard page: it is split off and joined again, as without any guard page.
        let page = first + 4 * (guards / 2) + 2;
        let times = beside_bare(&guest, channel, page);
        for (side, (_, points)) in series.iter_mut().enumerate() {
            points.push((splits as f64, times.figure(|sides| sides[side] / 2.0)));
        }
        let ratio = times.figure(|sides| sides[0] / sides[1]);
        let name = format!("MPROTECT of a page beside {splits} splits: memctl to bare mprotect");
        if splits == most {
            report.check(name, "", ratio, Bar::AtMost(1.3));
        } else {
            report.add(name, "", ratio);
        }
    }

    // Alone between two guard pages: the kernel neither splits nor joins.
    let alone = first + 4 * (guards / 2) + 2;
    for neighbour in [alone - 1, alone + 1] {
        guest.on_page(channel, MPROTECT_NONE, neighbour);
    }
    let times = beside_bare(&guest, channel, alone);
    report.add(
        format!("MPROTECT of a page between two guard pages, {most} splits: memctl to bare mprotect"),
        "",
        times.figure(|sides| sides[0] / sides[1]),
    );

    let untouched = Ram::new(512);
    let region = Region {
        guest_address: ELSEWHERE,
        length: untouched.length,
        host_address: untouched.start,
        block_size: 0,
        flags: RegionFlags::default(),
    };
    let times = alternate(&[&|| {
        // SAFETY: mapped to the end of the process, accessed through raw pointers only.
        unsafe { device.register_memory(&region) }.expect("a region that overlaps nothing");
        device
            .unregister_memory(region.guest_address, region.length)
            .expect("a region that is registered");
    }]);
    report.add(
        format!("register and unregister 2 MiB that no guest touched, {most} splits elsewhere"),
        "us",
        times.figure(|sides| sides[0] / 1e3),
    );
    let start = std::time::Instant::now();
    device.reset()?;
    let reset = Spread::exact(start.elapsed().as_secs_f64() * 1e3);
    report.add(format!("reset with {most} splits"), "ms", reset);

    report.curves.push(Curve {
        title: "Splits",
        x: "host mappings that the guest's attributes have split off",
        y: "ns for a change",
        limit: None,
        series: series
            .into_iter()
            .map(|(name, points)| Series { name, points })
            .collect(),
    });
    Ok(())
}

/// One more region beside as many as a device takes.
pub fn regions(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let ram = Ram::new(16);
    let device = bus::memctl(plugin, "", ram)?;
    let memory = Ram::new(REGIONS);
    let region = |index: u64| Region {
        guest_address: ELSEWHERE + 2 * index * PAGE,
        length: PAGE,
        host_address: memory.at(index * PAGE),
        block_size: 0,
        flags: RegionFlags::default(),
    };
    let register = |index| {
        // SAFETY: mapped to the end of the process, accessed through raw pointers only.
        unsafe { device.register_memory(&region(index)) }.expect("a region that overlaps nothing");
    };
    let unregister = |index| {
        let region = region(index);
        let outcome = device.unregister_memory(region.guest_address, region.length);
        outcome.expect("a region that is registered");
    };
    // The buffers' region is one of them.
    let last = REGIONS - 2;
    (0..last).for_each(register);
    let times = alternate(&[&|| {
        register(last);
        unregister(last);
    }]);
    report.add(
        format!("register and unregister one region beside {last} others"),
        "us",
        times.figure(|sides| sides[0] / 1e3),
    );
    Ok(())
}

/// One channel's requests beside others that are connected.
pub fn channels(plugin: &Plugin, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let most = CHANNELS[CHANNELS.len() - 1];
    // A buffer for each channel, as a guest's CPUs have them: 32 bytes, each in a cache line of its own.
    let stride = 64;
    let work = most * stride / PAGE + 16;
    let (ram, other_ram) = (Ram::new(work + 16), Ram::new(work + 16));
    let device = bus::memctl(plugin, "", ram)?;
    let stand_in = StandIn::new(&[(RAM, other_ram)]);
    let memctl = Guest { bus: &device, ram };
    let rust = Guest {
        bus: &stand_in,
        ram: other_ram,
    };
    let mut series = [
        ("INFO, memctl", Vec::new()),
        ("INFO, plain Rust device", Vec::new()),
        ("MPROTECT over bare mprotect, memctl", Vec::new()),
    ];
    for count in CHANNELS {
        let buffers = || (0..count).map(|channel| channel * stride);
        let middle = (count / 2) as usize;
        let (channel, other) = (memctl.connect(buffers())[middle], rust.connect(buffers())[middle]);
        let times = alternate(&[
            &|| memctl.request(channel, INFO, 0, 0),
            &|| rust.request(other, INFO, 0, 0),
            &|| change_twice(&memctl, channel, work),
            &|| {
                ram.protect(work, libc::PROT_READ);
                ram.protect(work, libc::PROT_READ | libc::PROT_WRITE);
            },
        ]);
        let change = times.figure(|sides| (sides[2] - sides[3]) / 2.0);
        for ((name, points), value) in series.iter_mut().zip([times.side(0), times.side(1), change]) {
            report.add(format!("{name}, {count} channels"), "ns", value);
            points.push((count as f64, value));
        }
    }
    let [info, rust_info, change] = series.map(|(name, points)| Series { name, points });
    for (title, series) in [
        ("Channels: INFO", vec![info, rust_info]),
        ("Channels: a change", vec![change]),
    ] {
        report.curves.push(Curve {
            title,
            x: "connected channels",
            y: "ns for a request",
            series,
            limit: None,
        });
    }
    Ok(())
}
