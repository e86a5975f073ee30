// SPDX-License-Identifier: Apache-2.0
//! The kernel's view of a process: its mappings, and the sandboxes of its threads.

/// A mapping of another process, cut to a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Bytes from the start of the range.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// `rw-p` and so on.
    pub protection: String,
    /// Two-letter flags: `lo` is locked, `dd` is not dumped.
    pub flags: Vec<String>,
}

/// The mappings within `[start, start + length)` of a process, in order.
pub fn mappings(pid: u32, start: u64, length: u64) -> Vec<Mapping> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        if let Some((low, high)) = range(first) {
            inside = low < start + length && high > start;
            if inside {
                let offset = low.max(start) - start;
                mappings.push(Mapping {
                    offset,
                    length: high.min(start + length) - start - offset,
                    protection: words.next().unwrap().to_owned(),
                    flags: Vec::new(),
                });
            }
        } else if inside && first == "VmFlags:" {
            mappings.last_mut().unwrap().flags = words.map(str::to_owned).collect();
        }
    }
    mappings
}

/// The same; neighbours that differ in nothing that a guest can set are one.
pub fn differences(pid: u32, start: u64, length: u64) -> Vec<Mapping> {
    let mut joined: Vec<Mapping> = Vec::new();
    for mut mapping in mappings(pid, start, length) {
        mapping.flags.retain(|flag| ["lo", "dd"].contains(&flag.as_str()));
        match joined.last_mut() {
            Some(last) if last.protection == mapping.protection && last.flags == mapping.flags => {
                last.length += mapping.length;
            }
            _ => joined.push(mapping),
        }
    }
    joined
}

fn range(word: &str) -> Option<(u64, u64)> {
    let (low, high) = word.split_once('-')?;
    Some((
        u64::from_str_radix(low, 16).ok()?,
        u64::from_str_radix(high, 16).ok()?,
    ))
}

/// The name and the seccomp mode of every thread: 0 is none, 2 a filter.
pub fn seccomp_modes(pid: u32) -> Vec<(String, String)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                line[name.len()..].trim().to_owned()
            };
            (field("Name:"), field("Seccomp:"))
        })
        .collect()
}
