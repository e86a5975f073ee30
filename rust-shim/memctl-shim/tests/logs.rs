// SPDX-License-Identifier: Apache-2.0
//! Log records from C# in Rust's `log`. One test, as the logger is the process's.

mod support;

use std::sync::Mutex;

use log::{Level, LevelFilter};
use support::*;

static RECORDS: Mutex<Vec<(Level, String, String)>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, record: &log::Record) {
        let entry = (
            record.level(),
            record.target().to_owned(),
            record.args().to_string(),
        );
        RECORDS.lock().unwrap().push(entry);
    }
    fn flush(&self) {}
}

fn take() -> Vec<(Level, String, String)> {
    std::mem::take(&mut RECORDS.lock().unwrap())
}

#[test]
fn records_arrive_with_level_and_target_and_a_guest_cannot_flood_them() {
    let plugin = plugin();
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(LevelFilter::Debug);
    let guest = Guest::new(&plugin, Mapping::private(4));
    let records = take();
    for (level, target, message) in &records {
        assert!(target.starts_with("memctl"), "{level} {target}: {message}");
    }
    let has = |level, text: &str| {
        let mut records = records.iter();
        records.any(|(have, _, message)| *have == level && message.contains(text))
    };
    assert!(has(Level::Info, "device created"), "{records:?}");
    assert!(
        has(Level::Debug, "[100000000, 100004000) registered"),
        "{records:?}"
    );

    for _ in 0..10_000 {
        guest.device.write(0, 8, &[1, 2]);
    }
    let flood = take();
    assert!(
        (1..=100).contains(&flood.len()),
        "{} records of 10,000 accesses",
        flood.len()
    );
    assert_eq!(guest.counter("ignored_accesses"), 10_000);

    log::set_max_level(LevelFilter::Off);
    let silent = Guest::new(&plugin, Mapping::private(4));
    silent.connect(1);
    silent.device.write(0, 8, &[1, 2]);
    assert_eq!(take(), []);
}
