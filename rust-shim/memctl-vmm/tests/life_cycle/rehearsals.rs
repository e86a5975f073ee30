// SPDX-License-Identifier: Apache-2.0
//! The rehearsals.

use std::collections::BTreeSet;
use std::path::Path;

use crate::proc_files::{self, Mapping};
use crate::process::Vmm;
use crate::terminal::Terminal;
use crate::{snapshots, Build, Rehearsal};

pub const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Requests that show that a guest is at work.
pub const SOME: u64 = 200;

/// Every rehearsal by its name.
pub const ALL: &[(&str, Rehearsal)] = &[
    (
        "a guest under load goes on in another process",
        snapshots::save_under_load,
    ),
    (
        "a guest on shared memory goes on in another process",
        snapshots::save_shared,
    ),
    (
        "a guest under load goes to a later version of the plugin and back",
        snapshots::later_version_and_back,
    ),
    (
        "what the guest set on its memory is set in the other process",
        snapshots::save_attributes,
    ),
    ("a damaged snapshot starts nothing", snapshots::damaged_snapshots),
    ("RAM comes and goes under load", hotplug_under_load),
    (
        "discards answer EBUSY while they are inhibited",
        inhibited_discards,
    ),
    ("what the device changes is in the dirty log", dirty_log),
    ("a paused guest makes no request", pause),
    ("every thread is in the sandbox", sandbox),
    ("a reset forgets channels and reverts what the guest set", reboot),
    (
        "an access fault of the guest ends the VMM with a sentence",
        access_fault,
    ),
    (
        "an access fault of the guest opens the page where on_fault says so",
        access_fault_opened,
    ),
    ("a guest that powers off gives the terminal back", terminal_back),
];

fn hotplug_under_load(build: &Build, scratch: &Path) {
    let words = format!("mode=hold range={}", 4 * GIB);
    let mut vmm = Vmm::boot(build, scratch, &words, &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    vmm.until_counted("refused_NOT_GUEST_MEMORY", SOME);
    assert!(vmm
        .refused("PUT", "vm.resize", r#"{"desired_ram":33554432}"#)
        .contains("whole hot-plugged regions"));
    for _ in 0..20 {
        vmm.put("vm.resize", &format!(r#"{{"desired_ram":{}}}"#, 192 * MIB));
        let plugged = vmm.get("vm.info")["memory_regions"][1].clone();
        assert_eq!(plugged["guest_address"], 4 * GIB);
        vmm.until_counted("bytes_DONTNEED", 4096);
        vmm.put("vm.resize", &format!(r#"{{"desired_ram":{}}}"#, 64 * MIB));
        let host = plugged["host_address"].as_u64().unwrap();
        assert_eq!(
            proc_files::mappings(vmm.pid(), host, 128 * MIB),
            [],
            "unplugged RAM is unmapped"
        );
        vmm.until_counted("refused_NOT_GUEST_MEMORY", 2);
    }
    let counts = vmm.end_load();
    for count in &counts {
        assert_eq!(count.right + count.absent, count.requests, "{count:?}");
    }
    let discarded: u64 = counts.iter().map(|count| count.right).sum::<u64>();
    assert!(discarded > 0);
    vmm.line("load end");
    vmm.end();
}

fn inhibited_discards(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=hold", &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    vmm.until_counted("requests_DONTNEED", SOME);
    assert_eq!(vmm.counter("errors_DONTNEED"), 0);
    vmm.put("vm.memctl-inhibit-discard", r#"{"enabled":true}"#);
    let bytes = vmm.counter("bytes_DONTNEED");
    vmm.until_counted("refused_DISCARD_INHIBITED", SOME);
    assert_eq!(
        vmm.counter("bytes_DONTNEED"),
        bytes,
        "nothing is discarded meanwhile"
    );
    vmm.put("vm.memctl-inhibit-discard", r#"{"enabled":false}"#);
    let refused = vmm.counter("refused_DISCARD_INHIBITED");
    vmm.until_counted("bytes_DONTNEED", SOME * 4096);
    assert_eq!(vmm.counter("refused_DISCARD_INHIBITED"), refused);
    let counts = vmm.end_load();
    let wrong: u64 = counts.iter().map(|count| count.requests - count.right).sum();
    assert_eq!(
        wrong, refused,
        "the guest saw EBUSY exactly as often as the device counted it: {counts:?}"
    );
    vmm.any_line("load end");
    vmm.end();
}

fn dirty_log(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=hold", &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    vmm.until_counted("requests_INFO", SOME);
    assert!(vmm.refused("GET", "vm.dirty-log", "").contains("off"));
    vmm.put("vm.dirty-log", r#"{"enabled":true}"#);
    for _ in 0..2 {
        // For each of the two vCPUs its buffer and the page that it discards; buffers may share a page.
        let mut pages = BTreeSet::new();
        let mut guest = 0;
        while pages.len() < 3 || guest == 0 {
            vmm.until_counted("requests_DONTNEED", 2);
            let log = vmm.get("vm.dirty-log");
            pages.extend(
                log["device"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|page| page.as_u64().unwrap()),
            );
            guest += log["guest"].as_array().unwrap().len();
        }
        assert!(pages.len() <= 6, "{pages:x?}");
        assert!(
            pages.iter().all(|page| *page < 64 * MIB && page % 4096 == 0),
            "{pages:x?}"
        );
    }
    vmm.put("vm.dirty-log", r#"{"enabled":false}"#);
    vmm.until_counted("requests_DONTNEED", SOME);
    vmm.put("vm.dirty-log", r#"{"enabled":true}"#);
    vmm.put("vm.pause", "");
    vmm.get("vm.dirty-log");
    let idle = vmm.get("vm.dirty-log");
    assert_eq!(
        idle["device"].as_array().unwrap().len(),
        0,
        "each page is reported once"
    );
    vmm.put("vm.resume", "");
    for count in vmm.end_load() {
        assert_eq!(count.right, count.requests);
    }
    vmm.line("load end");
    vmm.end();
}

fn pause(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=hold", &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    for _ in 0..50 {
        vmm.until_counted("requests_INFO", 1);
        vmm.put("vm.pause", "");
        let requests = ["requests_INFO", "requests_DONTNEED"].map(|name| vmm.counter(name));
        assert_eq!(vmm.get("vm.info")["state"], "Paused");
        assert_eq!(
            ["requests_INFO", "requests_DONTNEED"].map(|name| vmm.counter(name)),
            requests
        );
        vmm.put("vm.resume", "");
    }
    for count in vmm.end_load() {
        assert_eq!(count.right, count.requests);
    }
    vmm.line("load end");
    vmm.end();
}

fn sandbox(build: &Build, scratch: &Path) {
    for (option, mode) in [("true", "2"), ("log", "2"), ("false", "0")] {
        let arguments = ["--memory", "size=64M", "--seccomp", option];
        let mut vmm = Vmm::boot(build, &scratch.join(option), "mode=hold", &arguments);
        vmm.line("load begin");
        vmm.go_on();
        vmm.until_counted("requests_DONTNEED", 2);
        let modes = proc_files::seccomp_modes(vmm.pid());
        // KVM's own worker is made by the first vCPU that runs and never leaves the kernel.
        for (thread, found) in modes.iter().filter(|(thread, _)| !thread.starts_with("kvm-")) {
            assert_eq!(found, mode, "{thread} with --seccomp {option}");
        }
        assert_eq!(
            modes
                .iter()
                .filter(|(thread, _)| thread.starts_with("vcpu"))
                .count(),
            2
        );
        vmm.shut_down();
    }
}

fn reboot(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=steps", &["--memory", "size=256M,thp=off"]);
    go_on_behind(&mut vmm, "MPROTECT_NONE");
    assert!(attributes(&vmm).len() > 1);
    assert_eq!(vmm.counter("channels"), 1);
    let requests = vmm.counter("requests_INFO");
    vmm.put("vm.reboot", "");
    // The guest starts again from its first line, and finds the device Disconnected and its memory accessible.
    vmm.line("# memctl selftest");
    assert_eq!(attributes(&vmm).len(), 1);
    go_on_behind(&mut vmm, "MPROTECT_NONE");
    assert!(vmm.counter("requests_INFO") > requests, "counters go on");
    vmm.shut_down();
}

fn access_fault(build: &Build, scratch: &Path) {
    let vmm = Vmm::boot(build, scratch, "mode=access-fault", &["--memory", "size=64M"]);
    vmm.line("inaccessible ");
    let (status, text) = vmm.fails();
    assert_eq!(status, Some(4), "{text}");
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("memctl-vmm: "))
            .count(),
        1,
        "{text}"
    );
    assert!(text.contains("memory that it made inaccessible"), "{text}");
}

fn access_fault_opened(build: &Build, scratch: &Path) {
    let device = format!("plugin={},on_fault=open", build.plugin.display());
    let vmm = Vmm::boot(
        build,
        scratch,
        "mode=access-fault",
        &["--memory", "size=64M", "--memctl", &device],
    );
    vmm.line("inaccessible ");
    let line = vmm.line("");
    assert!(
        line.starts_with("ok") && line.contains("the VMM opened the page, which is as it was"),
        "{line}"
    );
    vmm.ends();
}

fn terminal_back(build: &Build, scratch: &Path) {
    let mut terminal = Terminal::new();
    let vmm = Vmm::boot_on(build, scratch, "mode=hold", &terminal);
    vmm.line("load begin");
    assert!(!terminal.is_in_line_mode());
    terminal.press_return();
    vmm.until_counted("requests_INFO", SOME);
    terminal.press_return();
    vmm.line("load end");
    terminal.press_return();
    // Nothing is typed from here on: the VMM waits for input while it ends.
    vmm.ends();
    assert!(terminal.is_in_line_mode());
}

/// Lets the guest go on to where it waits behind a step; behind MPROTECT_NONE, ranges are not dumped, locked, and
/// inaccessible.
pub fn go_on_behind(vmm: &mut Vmm, step: &str) {
    loop {
        let line = vmm.line("");
        if line.starts_with(&format!("after {step} ")) {
            return;
        }
        if ["ready", "before", "after"]
            .iter()
            .any(|word| line.starts_with(word))
        {
            vmm.go_on();
        }
    }
}

/// The attributes of guest RAM.
pub fn attributes(vmm: &Vmm) -> Vec<Mapping> {
    let info = vmm.get("vm.info");
    let number = |name: &str| info["memory_regions"][0][name].as_u64().unwrap();
    proc_files::differences(vmm.pid(), number("host_address"), number("length"))
}
