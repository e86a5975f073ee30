// SPDX-License-Identifier: Apache-2.0
//! What the library costs a process. One test, as it measures the whole process.

mod support;

use std::fs;

use memctl_shim::Plugin;
use support::proc_files::status;
use support::*;

const MOST_FILE_BYTES: u64 = 3 << 20;
const MOST_RESIDENT_KIB: u64 = 6 << 10;
const MOST_THREADS: u64 = 1;
const MOST_ADDRESS_SPACE_KIB: u64 = 2 << 20;

#[test]
fn the_library_is_small_and_adds_little_memory_address_space_and_one_thread() {
    let path = plugin_path();
    let file_bytes = fs::metadata(&path).unwrap().len();
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
    eprintln!("file {file_bytes} bytes; added {resident} KiB resident, {threads} threads, {address_space} KiB of address space");
    assert!(file_bytes <= MOST_FILE_BYTES);
    assert!(resident <= MOST_RESIDENT_KIB);
    assert!(threads <= MOST_THREADS);
    assert!(address_space <= MOST_ADDRESS_SPACE_KIB);
}
