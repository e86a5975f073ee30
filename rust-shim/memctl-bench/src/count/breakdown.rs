// SPDX-License-Identifier: Apache-2.0
//! Where a request's instructions, cache lines and pages are.

use std::collections::{BTreeMap, BTreeSet};

use super::run::{blocks, Measured, LINE};
use super::trace::Event;
use super::REQUESTS;
use crate::bus::PAGE;

/// What one page is touched for.
#[derive(Default)]
struct Page {
    lines: BTreeSet<u64>,
    areas: BTreeSet<String>,
    functions: BTreeSet<String>,
}

#[derive(Default)]
struct Row {
    instructions: u64,
    calls: u64,
    code_lines: BTreeSet<u64>,
    data_lines: BTreeSet<u64>,
    pages: BTreeSet<u64>,
}

/// Prints one request by function, in the order in which functions are first entered, by kind of memory, and by page.
/// A line or page that two functions touch is in both rows.
pub fn print(measured: &Measured, request: usize) {
    let counts = measured.counts(request);
    println!(
        "{}: {} instructions, {} cache lines, {} pages, {} host calls",
        REQUESTS[request], counts.instructions, counts.cache_lines, counts.pages, counts.host_calls
    );
    let mut order = Vec::new();
    let mut functions: BTreeMap<String, Row> = BTreeMap::new();
    let mut areas: BTreeMap<String, Row> = BTreeMap::new();
    let mut pages: BTreeMap<u64, Page> = BTreeMap::new();
    let mut current = String::new();
    for &event in &measured.events[request] {
        let area = match event {
            Event::Instruction { address, .. } => {
                let name = measured.symbols.function(address);
                let row = functions.entry(name.clone()).or_default();
                if row.instructions == 0 {
                    order.push(name.clone());
                }
                row.instructions += 1;
                row.calls += u64::from(name != current);
                row.code_lines.extend(blocks(event, LINE));
                row.pages.extend(blocks(event, PAGE));
                current = name;
                format!("code of {}", current.split(' ').next().unwrap_or_default())
            }
            Event::Data { address, .. } => {
                let row = functions.entry(current.clone()).or_default();
                row.data_lines.extend(blocks(event, LINE));
                row.pages.extend(blocks(event, PAGE));
                measured.symbols.area(address)
            }
            Event::SystemCall(_) => continue,
        };
        for line in blocks(event, LINE) {
            let page = pages.entry(line * LINE / PAGE).or_default();
            page.lines.insert(line);
            page.areas.insert(area.clone());
            page.functions.insert(last_word(&current).to_owned());
        }
        let row = areas.entry(area).or_default();
        row.instructions += u64::from(matches!(event, Event::Instruction { .. }));
        row.data_lines.extend(blocks(event, LINE));
        row.pages.extend(blocks(event, PAGE));
    }
    println!("  instr. entered  code lines  data lines  pages  function");
    for name in &order {
        let row = &functions[name];
        println!(
            "  {:>6} {:>7}  {:>10}  {:>10}  {:>5}  {name}",
            row.instructions,
            row.calls,
            row.code_lines.len(),
            row.data_lines.len(),
            row.pages.len(),
        );
    }
    println!("  instr.  lines  pages  memory");
    for (name, row) in &areas {
        println!(
            "  {:>6}  {:>5}  {:>5}  {name}",
            row.instructions,
            row.data_lines.len(),
            row.pages.len()
        );
    }
    println!("  lines  page and the functions that touch it");
    for (number, page) in &pages {
        let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        println!(
            "  {:>5}  {:x}, {}: {}",
            page.lines.len(),
            number * PAGE,
            words(&page.areas),
            words(&page.functions)
        );
    }
    println!();
}

/// A function's name without its file and name spaces.
fn last_word(function: &str) -> &str {
    let name = function.rsplit(' ').next().unwrap_or(function);
    let name = name.rsplit("::").next().unwrap_or(name);
    name.rsplit("__").next().unwrap_or(name)
}
