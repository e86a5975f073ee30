// SPDX-License-Identifier: Apache-2.0
//! What the library costs a process: time to start, memory, address space, threads. One test, as it measures whole processes:
//! this one, and children that do nothing but load the library.

mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use memctl_shim::Plugin;
use support::proc_files::status;
use support::*;

const MAX_FILE_BYTES: u64 = 3 << 20;
const MAX_RESIDENT_KIB: u64 = 4 << 10;
const MAX_THREADS: u64 = 1;
const MAX_ADDRESS_SPACE_KIB: u64 = 512 << 10;
/// The limit is 3 ms on a machine that does nothing else, where `memctl-bench run` checks it.
const MAX_START: Duration = Duration::from_millis(5);

/// In a child's environment: load the library, print what that took, end.
const CHILD: &str = "MEMCTL_FOOTPRINT_CHILD";
/// The fastest counts: another process delays a start, and nothing makes one faster than it is.
const STARTS: usize = 20;

#[test]
fn the_library_starts_fast_and_adds_little_memory_address_space_and_one_thread() {
    if std::env::var_os(CHILD).is_some() {
        load_and_print();
        return;
    }
    let path = plugin_path();
    let file_bytes = fs::metadata(&path).unwrap().len();
    let start = fastest_start();
    let memory = Mapping::private(64);
    memory.fill(0, memory.length, 1);
    let before = (status("VmRSS"), status("Threads"), status("VmSize"));

    let plugin = Plugin::load(&path).unwrap();
    let guest = Guest::new(&plugin, memory);
    let channels = guest.connect(4);
    for round in 0..1000 {
        let channel = channels[round % channels.len()];
        assert_eq!(guest.call(channel, INFO, 0, 0, 0).ret_errno, 0);
        assert_eq!(guest.on_pages(channel, MPROTECT_R, 32, 4), (0, 0));
        assert_eq!(guest.on_pages(channel, MPROTECT_RW, 32, 4), (0, 0));
    }

    let resident = status("VmRSS").saturating_sub(before.0);
    let threads = status("Threads") - before.1;
    let address_space = status("VmSize") - before.2;
    eprintln!("start {start:?}; file {file_bytes} bytes; added {resident} KiB resident, {threads} threads, {address_space} KiB of address space");
    assert!(file_bytes <= MAX_FILE_BYTES);
    assert!(resident <= MAX_RESIDENT_KIB);
    assert!(threads <= MAX_THREADS);
    assert!(address_space <= MAX_ADDRESS_SPACE_KIB);
    assert!(start <= MAX_START);
}

/// In a child: prints nanoseconds to load the library, page faults on the way, and nanoseconds that one costs.
fn load_and_print() {
    let faults_before = minor_faults();
    let start = Instant::now();
    Plugin::load(&plugin_path()).unwrap();
    let elapsed = start.elapsed();
    let faults = minor_faults() - faults_before;

    const TOUCHED: u64 = 64;
    let memory = Mapping::private(TOUCHED);
    let start = Instant::now();
    (0..TOUCHED).for_each(|page| memory.fill(page * PAGE, 1, 1));
    let fault = start.elapsed().as_nanos() / u128::from(TOUCHED);
    println!("\n{CHILD} {} {faults} {fault}", elapsed.as_nanos());
}

/// How long the library takes to load, less what its page faults cost on this machine: next to nothing on most, but 20 us
/// each in some virtual machines, which the library can't help.
fn fastest_start() -> Duration {
    let [mut elapsed, mut faults, mut fault] = [u64::MAX; 3];
    for child in (0..STARTS).map(|_| child()) {
        (elapsed, faults, fault) = (elapsed.min(child[0]), faults.min(child[1]), fault.min(child[2]));
    }
    eprintln!("fastest start {elapsed} ns with {faults} page faults, {fault} ns each");
    Duration::from_nanos(elapsed.saturating_sub(faults * fault))
}

fn minor_faults() -> u64 {
    // SAFETY: all zeros are a valid rusage; getrusage() fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    usage.ru_minflt as u64
}

fn child() -> [u64; 3] {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--nocapture")
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(CHILD)).unwrap();
    let numbers: Vec<_> = line
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    numbers.try_into().unwrap()
}
