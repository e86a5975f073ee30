// SPDX-License-Identifier: Apache-2.0
//! The rehearsals in which a VM goes on in another process, or is refused there.

use std::path::Path;

use serde_json::Value;

use crate::process::Vmm;
use crate::rehearsals::{attributes, go_on_behind, MIB, SOME};
use crate::Build;

pub fn save_under_load(build: &Build, scratch: &Path) {
    save_and_restore(build, scratch, "mode=hold", "size=64M");
}

pub fn save_shared(build: &Build, scratch: &Path) {
    save_and_restore(build, scratch, "mode=hold ram=shared", "size=64M,shared=on");
}

fn save_and_restore(build: &Build, scratch: &Path, words: &str, memory: &str) {
    let mut vmm = Vmm::boot(build, scratch, words, &["--memory", memory]);
    vmm.line("load begin");
    vmm.go_on();
    vmm.until_counted("requests_DONTNEED", SOME);
    let snapshot = save(&vmm, scratch);
    let channels = vmm.counter("channels");
    vmm.shut_down();

    let mut vmm = restore(build, scratch, &snapshot);
    assert_eq!(vmm.counter("channels"), channels);
    assert_eq!(vmm.counter("requests_INFO"), 0);
    vmm.put("vm.resume", "");
    vmm.until_counted("requests_DONTNEED", SOME);
    // The guest has checked every answer, those on either side of the move with them.
    for count in vmm.end_load() {
        assert!(count.requests > 0 && count.right == count.requests, "{count:?}");
    }
    vmm.line("load end");
    vmm.end();
}

pub fn later_version_and_back(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=hold", &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    let versions = [(&build.later_plugin, "forward"), (&build.plugin, "back")];
    let sections = versions.map(|(plugin, step)| {
        vmm.until_counted("requests_DONTNEED", SOME);
        let scratch = scratch.join(step);
        let snapshot = save(&vmm, &scratch);
        let channels = vmm.counter("channels");
        let option = format!("plugin={},channels=16", plugin.display());
        let arguments = ["--restore", &snapshot, "--memctl", &option];
        vmm = Vmm::start(build, &scratch, "restored.sock", &arguments);
        assert_eq!(vmm.counter("channels"), channels);
        vmm.put("vm.resume", "");
        let state = std::fs::read_to_string(scratch.join("snapshot/state.json")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        state["device"][16].as_u64().unwrap()
    });
    assert_eq!(
        sections[1],
        sections[0] + 1,
        "the later version wrote a section more"
    );
    vmm.until_counted("requests_DONTNEED", SOME);
    for count in vmm.end_load() {
        assert!(count.requests > 0 && count.right == count.requests, "{count:?}");
    }
    vmm.line("load end");
    vmm.end();
}

pub fn save_attributes(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=steps", &["--memory", "size=256M,thp=off"]);
    go_on_behind(&mut vmm, "MPROTECT_NONE");
    let before = attributes(&vmm);
    assert!(
        before
            .iter()
            .any(|mapping| mapping.flags.iter().any(|flag| flag == "dd")),
        "{before:?}"
    );
    assert!(
        before
            .iter()
            .any(|mapping| mapping.flags.iter().any(|flag| flag == "lo")),
        "{before:?}"
    );
    assert!(
        before.iter().any(|mapping| mapping.protection.starts_with("---")),
        "{before:?}"
    );
    let snapshot = save(&vmm, scratch);
    assert_eq!(
        attributes(&vmm),
        before,
        "a snapshot changes nothing for the guest"
    );
    vmm.shut_down();

    let mut vmm = restore(build, scratch, &snapshot);
    assert_eq!(attributes(&vmm), before);
    vmm.put("vm.resume", "");
    // The next steps make the range accessible again, and the guest finds its bytes: the snapshot copied them while
    // they were inaccessible.
    vmm.go_on();
    vmm.line("inside MPROTECT_NONE range=inaccessible neighbours=kept");
    vmm.line("before MPROTECT_R ");
    vmm.go_on();
    vmm.line("after MPROTECT_R errno=0");
    vmm.go_on();
    vmm.line("inside MPROTECT_R range=kept neighbours=kept");
    vmm.shut_down();
}

pub fn damaged_snapshots(build: &Build, scratch: &Path) {
    let mut vmm = Vmm::boot(build, scratch, "mode=hold", &["--memory", "size=64M"]);
    vmm.line("load begin");
    vmm.go_on();
    vmm.until_counted("requests_INFO", SOME);
    let snapshot = save(&vmm, scratch);
    vmm.shut_down();
    let directory = scratch.join("snapshot");
    let state = directory.join("state.json");
    let whole = std::fs::read_to_string(&state).unwrap();

    let mut value: Value = serde_json::from_str(&whole).unwrap();
    let byte = value["device"][40].as_u64().unwrap();
    value["device"][40] = (byte ^ 0x40).into();
    std::fs::write(&state, value.to_string()).unwrap();
    assert_refused(build, &snapshot, "can't restore the memctl device");

    value["device"] = Value::Null;
    std::fs::write(&state, value.to_string()).unwrap();
    assert_refused(build, &snapshot, "without a memctl device");

    std::fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    assert_refused(build, &snapshot, "state.json");

    std::fs::write(&state, &whole).unwrap();
    let memory = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.join("memory-ranges"))
        .unwrap();
    memory.set_len(MIB).unwrap();
    assert_refused(build, &snapshot, "memory-ranges");
}

fn assert_refused(build: &Build, snapshot: &str, reason: &str) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_memctl-vmm"))
        .args(["--restore", snapshot, "--memctl"])
        .arg(format!("plugin={},channels=16", build.plugin.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains(reason), "{text}");
}

/// Saves the VM into the scratch folder; returns the option that restores it.
fn save(vmm: &Vmm, scratch: &Path) -> String {
    let url = format!("file://{}", scratch.join("snapshot").display());
    let body = format!(r#"{{"destination_url":"{url}"}}"#);
    assert!(vmm
        .refused("PUT", "vm.snapshot", &body)
        .contains("pause it first"));
    vmm.put("vm.pause", "");
    vmm.put("vm.snapshot", &body);
    format!("source_url={url}")
}

fn restore(build: &Build, scratch: &Path, snapshot: &str) -> Vmm {
    let vmm = Vmm::start(build, scratch, "restored.sock", &["--restore", snapshot]);
    assert_eq!(vmm.get("vm.info")["state"], "Paused");
    vmm
}
