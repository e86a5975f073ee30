// SPDX-License-Identifier: Apache-2.0
//! What the kernel says of this process: the tests' judge of every effect.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;

use super::PAGE;

/// One mapping of /proc/self/smaps.
#[derive(Clone, Debug)]
pub struct Vma {
    pub start: u64,
    pub end: u64,
    /// As in /proc/self/maps: "rw-p".
    pub permissions: String,
    pub name: String,
    fields: HashMap<String, String>,
}

impl Vma {
    pub fn has_flag(&self, flag: &str) -> bool {
        self.fields["VmFlags"].split_whitespace().any(|have| have == flag)
    }

    /// A field in KiB: "Rss", "Locked", "LazyFree".
    pub fn kib(&self, field: &str) -> u64 {
        self.fields[field].trim_end_matches(" kB").trim().parse().unwrap()
    }
}

/// The mapping that holds an address of this process.
pub fn vma_at(address: *const u8) -> Vma {
    let address = address as u64;
    vmas()
        .into_iter()
        .find(|vma| (vma.start..vma.end).contains(&address))
        .unwrap()
}

pub fn vmas() -> Vec<Vma> {
    let mut vmas: Vec<Vma> = Vec::new();
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let (first, rest) = line.split_once(' ').unwrap();
        match first.strip_suffix(':') {
            Some(field) => {
                let fields = &mut vmas.last_mut().unwrap().fields;
                fields.insert(field.to_owned(), rest.trim().to_owned());
            }
            None => {
                let (start, end) = first.split_once('-').unwrap();
                let hexadecimal = |text| u64::from_str_radix(text, 16).unwrap();
                vmas.push(Vma {
                    start: hexadecimal(start),
                    end: hexadecimal(end),
                    permissions: rest[..4].to_owned(),
                    name: rest.split_whitespace().nth(4).unwrap_or("").to_owned(),
                    fields: HashMap::new(),
                });
            }
        }
    }
    vmas
}

/// How many of the pages from an address on are present, by /proc/self/pagemap.
pub fn present_pages(start: *const u8, pages: u64) -> usize {
    const PRESENT: u64 = 1 << 63;
    let pagemap = fs::File::open("/proc/self/pagemap").unwrap();
    let mut entries = vec![0; 8 * pages as usize];
    pagemap
        .read_exact_at(&mut entries, start as u64 / PAGE * 8)
        .unwrap();
    entries
        .chunks_exact(8)
        .filter(|entry| u64::from_le_bytes((*entry).try_into().unwrap()) & PRESENT != 0)
        .count()
}

/// A field of /proc/self/status in KiB, or a count.
pub fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .unwrap();
    line.trim_end_matches(" kB").trim().parse().unwrap()
}
