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
const MAX_START: Duration = Duration::from_millis(3);

/// In a child's environment: load the library, print how many nanoseconds that took, end.
const CHILD: &str = "MEMCTL_FOOTPRINT_CHILD";
/// The fastest counts: another process delays a start, and nothing makes one faster than it is.
const STARTS: usize = 20;

#[test]
fn the_library_starts_fast_and_adds_little_memory_address_space_and_one_thread() {
    if std::env::var_os(CHILD).is_some() {
        println!("\n{CHILD} {}", start_beyond_faults().as_nanos());
        return;
    }
    let path = plugin_path();
    let file_bytes = fs::metadata(&path).unwrap().len();
    let start = (0..STARTS).map(|_| start_of_a_child()).min().unwrap();
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

/// How long the library takes to load, less what its page faults cost on this machine: next to nothing on most, but 20 us
/// each in some virtual machines, which the library can't help.
fn start_beyond_faults() -> Duration {
    let faults_before = minor_faults();
    let start = Instant::now();
    Plugin::load(&plugin_path()).unwrap();
    let elapsed = start.elapsed();
    let faults = minor_faults() - faults_before;

    const TOUCHED: u32 = 64;
    let memory = Mapping::private(TOUCHED.into());
    let start = Instant::now();
    (0..u64::from(TOUCHED)).for_each(|page| memory.fill(page * PAGE, 1, 1));
    elapsed.saturating_sub(start.elapsed() / TOUCHED * faults)
}

fn minor_faults() -> u32 {
    // SAFETY: all zeros are a valid rusage; getrusage() fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    usage.ru_minflt as u32
}

/// The same, in a process of its own.
fn start_of_a_child() -> Duration {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--nocapture")
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds = text.lines().find_map(|line| line.strip_prefix(CHILD)).unwrap();
    Duration::from_nanos(nanoseconds.trim().parse().unwrap())
}
