// SPDX-License-Identifier: Apache-2.0
//! What the kernel tells about a process's mappings.

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

fn range(word: &str) -> Option<(u64, u64)> {
    let (low, high) = word.split_once('-')?;
    Some((
        u64::from_str_radix(low, 16).ok()?,
        u64::from_str_radix(high, 16).ok()?,
    ))
}
