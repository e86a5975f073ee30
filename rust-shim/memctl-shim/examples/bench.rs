// SPDX-License-Identifier: Apache-2.0
//! What a request costs, in three layers of one run: the system call alone, the crossing into the library alone, and whole
//! requests. `./build.sh bench` prints it. Times are of this machine and this moment; what carries over are the
//! ratios, of batches that alternate, so that what slows the machine slows both sides.

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use memctl_shim::{Device, Plugin, Region, RegionFlags};

const PAGE: usize = 4096;
const PAGES: usize = 64;
const RAM: u64 = 0x4000_0000;
const BATCH: u32 = 2000;
const BATCHES: usize = 101;

const RESET: u32 = 0x060F_E6D2;
const REGISTER: u32 = 0x0E35_9539;
const READY: u32 = 0x0CA8_D227;
const INFO: u64 = 0;
const DONTNEED: u64 = 1;

/// Guest RAM; the first pages hold a request buffer each.
struct Ram(*mut u8);

// SAFETY: accessed through raw pointers, each thread its own pages.
unsafe impl Sync for Ram {}

impl Ram {
    fn new() -> Self {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a fresh mapping, kept to the end of the process.
        let start = unsafe { libc::mmap(null_mut(), PAGES * PAGE, access, kind, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Ram(start.cast())
    }

    fn page(&self, page: usize) -> *mut u8 {
        assert!(page < PAGES);
        // SAFETY: inside the mapping.
        unsafe { self.0.add(page * PAGE) }
    }
}

/// One thread's channel and the page that it works on.
#[derive(Clone, Copy)]
struct Lane {
    command: u32,
    buffer_page: usize,
    page: usize,
}

fn connect(device: &Device, lanes: usize) -> Vec<Lane> {
    let command = |value: u32| device.write(0, 8, &value.to_le_bytes());
    let read = |offset| {
        let mut bytes = [0; 4];
        device.read(0, offset, &mut bytes);
        u32::from_le_bytes(bytes)
    };
    command(RESET);
    let lanes = (0..lanes)
        .map(|buffer_page| {
            device.write(0, 0, &(RAM + (buffer_page * PAGE) as u64).to_le_bytes());
            command(REGISTER);
            Lane {
                command: read(0),
                buffer_page,
                page: 16 + buffer_page,
            }
        })
        .collect();
    command(READY);
    lanes
}

fn request(device: &Device, ram: &Ram, lane: Lane, func_code: u64) {
    let buffer = ram.page(lane.buffer_page).cast::<[u64; 4]>();
    let address = RAM + (lane.page * PAGE) as u64;
    // SAFETY: this lane's buffer, which no other thread uses.
    unsafe { buffer.write_volatile([func_code, address, PAGE as u64, 0]) };
    device.write(0, 8, &lane.command.to_le_bytes());
    // SAFETY: as above.
    let answer = unsafe { buffer.cast::<u64>().read_volatile() };
    assert_eq!(answer, 0, "ret_errno and ret_code");
}

/// Nanoseconds for one call, by a batch of them.
fn time(call: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCH {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of both, and of the ratio of neighbouring batches.
fn compare(one: &dyn Fn(), other: &dyn Fn()) -> (f64, f64, f64) {
    time(one);
    time(other);
    let pairs: Vec<_> = (0..BATCHES).map(|_| (time(one), time(other))).collect();
    let column = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
    (
        column(|pair| pair.0),
        column(|pair| pair.1),
        column(|pair| pair.1 / pair.0),
    )
}

/// Calls in a nanosecond by as many threads as lanes. They start together and do the same.
fn rate(lanes: &[Lane], work: &(dyn Fn(Lane) + Sync)) -> f64 {
    let barrier = Barrier::new(lanes.len() + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let barrier = &barrier;
                scope.spawn(move || {
                    work(*lane);
                    barrier.wait();
                    time(&|| work(*lane))
                })
            })
            .collect();
        barrier.wait();
        workers
            .into_iter()
            .map(|worker| 1.0 / worker.join().unwrap())
            .sum::<f64>()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = match std::env::var_os("MEMCTL_PLUGIN") {
        Some(path) => path.into(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../out/libmemctl.so")),
    };
    let plugin = Plugin::load(&path)?;
    let ram = Ram::new();
    let device = plugin.create_device("", None)?;
    let region = Region {
        guest_address: RAM,
        length: (PAGES * PAGE) as u64,
        host_address: ram.0,
        block_size: 0,
        flags: RegionFlags::default(),
    };
    // SAFETY: mapped to the end of the process, accessed through raw pointers only.
    unsafe { device.register_memory(&region)? };
    let lanes = connect(&device, 2);
    let lane = lanes[0];
    let page = ram.page(lane.page);

    let discard = |lane: Lane| {
        // SAFETY: a page of guest RAM, behind no reference.
        let status = unsafe { libc::madvise(ram.page(lane.page).cast(), PAGE, libc::MADV_DONTNEED) };
        assert_eq!(status, 0);
    };
    let touch = || {
        // SAFETY: as above.
        unsafe { page.write_volatile(1) };
    };
    let crossing = || {
        let mut bytes = [0; 4];
        device.read(0, 8, &mut bytes);
        black_box(bytes);
    };
    let system_call = || {
        // SAFETY: no arguments.
        black_box(unsafe { libc::syscall(libc::SYS_getppid) });
    };

    let row = |name: &str, (one, other, ratio): (f64, f64, f64)| {
        println!(
            "{name:<58} {one:>8.1} ns {other:>8.1} ns   ratio {ratio:.2}, difference {:.1} ns",
            other - one
        );
    };
    println!("medians of {BATCHES} batches of {BATCH}; {}", path.display());
    row(
        "getppid() | crossing alone (mmio_read)",
        compare(&system_call, &crossing),
    );
    row(
        "crossing alone | INFO",
        compare(&crossing, &|| request(&device, &ram, lane, INFO)),
    );
    let bare = || discard(lane);
    row(
        "madvise 4 KiB, not resident | DONTNEED",
        compare(&bare, &|| request(&device, &ram, lane, DONTNEED)),
    );
    row(
        "madvise 4 KiB, just touched | DONTNEED",
        compare(
            &|| {
                touch();
                discard(lane);
            },
            &|| {
                touch();
                request(&device, &ram, lane, DONTNEED);
            },
        ),
    );
    let info = |lane| request(&device, &ram, lane, INFO);
    let dontneed = |lane| request(&device, &ram, lane, DONTNEED);
    let ratio = |one: &dyn Fn() -> f64, other: &dyn Fn() -> f64| {
        median((0..BATCHES).map(|_| one().recip() * other()).collect())
    };
    println!(
        "two threads do {:.2} times the work of one: INFO",
        ratio(&|| rate(&lanes[..1], &info), &|| rate(&lanes, &info))
    );
    println!(
        "two threads do {:.2} times the work of two with the bare madvise: DONTNEED of 4 KiB, not resident",
        ratio(&|| rate(&lanes, &discard), &|| rate(&lanes, &dontneed))
    );
    Ok(())
}
