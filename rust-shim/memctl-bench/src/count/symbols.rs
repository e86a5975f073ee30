// SPDX-License-Identifier: Apache-2.0
//! Tells what an address of the subject is: a function of a file, or a part of its data.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::RAM_PAGES;
use crate::bus::PAGE;

/// Anonymous memory that was reserved in one block of at least this size is the managed heap.
const MANAGED_RESERVATION: u64 = 64 << 20;
/// How far a thread's own memory reaches above its thread pointer; below, it reaches to the thread's stack.
const TLS_ABOVE: u64 = 4096;
const STACK_REACH: u64 = 1 << 20;

struct Mapping {
    start: u64,
    end: u64,
    /// Empty for anonymous memory.
    path: String,
    writable: bool,
}

/// The subject's address space, as it printed it.
pub struct Symbols {
    mappings: Vec<Mapping>,
    ram: u64,
    thread: u64,
    stack: u64,
    tables: RefCell<HashMap<String, Vec<(u64, String)>>>,
}

impl Symbols {
    /// Reads what `subject::run` printed.
    pub fn read(text: &str) -> Option<Self> {
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
        let named = |name| hexadecimal(text.lines().find_map(|line| line.strip_prefix(name))?);
        let mapping = |line: &str| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let access = fields.next()?;
            Some(Mapping {
                start: hexadecimal(start)?,
                end: hexadecimal(end)?,
                writable: access.as_bytes().get(1) == Some(&b'w'),
                path: fields.nth(3).unwrap_or("").to_owned(),
            })
        };
        Some(Symbols {
            ram: named("ram ")?,
            thread: named("thread ")?,
            stack: named("stack ")?,
            mappings: text.lines().filter_map(mapping).collect(),
            tables: RefCell::default(),
        })
    }

    fn mapping(&self, address: u64) -> Option<usize> {
        let index = self.mappings.partition_point(|mapping| mapping.end <= address);
        (self.mappings.get(index)?.start <= address).then_some(index)
    }

    /// The file and function of an instruction, such as `libmemctl.so RequestProcessor__Serve`.
    pub fn function(&self, address: u64) -> String {
        let Some(index) = self.mapping(address) else {
            return "unknown".to_owned();
        };
        let path = &self.mappings[index].path;
        let base = self.mappings.iter().find(|mapping| mapping.path == *path);
        let offset = address - base.map_or(0, |mapping| mapping.start);
        let mut tables = self.tables.borrow_mut();
        let table = tables
            .entry(path.clone())
            .or_insert_with(|| load(Path::new(path)));
        let next = table.partition_point(|(start, _)| *start <= offset);
        let name = next.checked_sub(1).map_or("?", |index| table[index].1.as_str());
        // What follows _init without a symbol of its own is the table of jumps to other files.
        let name = if name == "_init" { "(PLT)" } else { name };
        format!("{} {name}", file_name(path))
    }

    /// The kind of memory that an access goes to.
    pub fn area(&self, address: u64) -> String {
        if address >= self.ram && address < self.ram + RAM_PAGES * PAGE {
            return "guest RAM".to_owned();
        }
        if (self.stack - STACK_REACH..=self.stack).contains(&address) {
            return "stack".to_owned();
        }
        if (self.stack..self.thread + TLS_ABOVE).contains(&address) {
            return "thread-local".to_owned();
        }
        let Some(index) = self.mapping(address) else {
            return "unknown".to_owned();
        };
        let mapping = &self.mappings[index];
        if mapping.path.starts_with('/') {
            let kind = if mapping.writable {
                "data"
            } else {
                "code and constants"
            };
            return format!("{} {kind}", file_name(&mapping.path));
        }
        if self.reservation(index) >= MANAGED_RESERVATION {
            return "managed heap".to_owned();
        }
        "native heap".to_owned()
    }

    /// Bytes of anonymous mappings without a gap around this one.
    fn reservation(&self, index: usize) -> u64 {
        let joined =
            |pair: &[Mapping]| pair[0].end == pair[1].start && pair.iter().all(|one| one.path.is_empty());
        let mut first = index;
        while first > 0 && joined(&self.mappings[first - 1..=first]) {
            first -= 1;
        }
        let mut last = index;
        while last + 1 < self.mappings.len() && joined(&self.mappings[last..=last + 1]) {
            last += 1;
        }
        self.mappings[last].end - self.mappings[first].start
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A file's functions by address, from binutils' nm: those of its debug file, of itself, or only those it exports.
fn load(path: &Path) -> Vec<(u64, String)> {
    let name = path.file_name().unwrap_or_default();
    let debug_name = Path::new(name).with_extension("so.dbg");
    let beside = path.with_file_name(&debug_name);
    let published = path.with_file_name("plugin").join(&debug_name);
    let candidates: [(PathBuf, &[&str]); 4] = [
        (beside, &["-C"]),
        (published, &["-C"]),
        (path.to_owned(), &["-C"]),
        (path.to_owned(), &["-C", "-D"]),
    ];
    for (file, flags) in candidates {
        let Ok(output) = Command::new("nm")
            .args(flags)
            .arg("--defined-only")
            .arg(file)
            .output()
        else {
            continue;
        };
        let mut table: Vec<_> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| {
                let (address, rest) = line.split_once(' ')?;
                let (kind, name) = rest.split_once(' ')?;
                let is_code = matches!(kind, "t" | "T" | "w" | "W" | "i");
                is_code.then_some((u64::from_str_radix(address, 16).ok()?, name.to_owned()))
            })
            .collect();
        if !table.is_empty() {
            table.sort();
            return table;
        }
    }
    Vec::new()
}
