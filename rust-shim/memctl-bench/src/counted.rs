// SPDX-License-Identifier: Apache-2.0
//! The counts, as figures with bars.

use std::error::Error;
use std::path::Path;

use crate::count::{self, Subject, REQUESTS};
use crate::measure::Spread;
use crate::report::{Bar, Report};

pub fn run(plugin: &Path, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let ledger = count::ledger(plugin)?;
    let stand_in = count::measure(Subject::StandIn, plugin)?;
    let empty = count::measure(Subject::Empty, plugin)?.counts(1);
    for (what, floor) in [
        ("instructions", empty.instructions),
        ("cache lines", empty.cache_lines),
        ("pages", empty.pages),
    ] {
        let name = format!("a call that does nothing, in all counts: {what}");
        report.add(name, "", Spread::exact(floor as f64));
    }
    for (index, name) in REQUESTS.iter().enumerate() {
        let (ours, theirs) = (ledger[*name], stand_in.counts(index));
        let limit = |limit| (*name == "DONTNEED").then_some(Bar::AtMost(limit));
        for (what, ours, theirs, bar) in [
            (
                "instructions",
                ours.instructions,
                theirs.instructions,
                limit(600.0),
            ),
            ("cache lines", ours.cache_lines, theirs.cache_lines, limit(70.0)),
            ("pages", ours.pages, theirs.pages, limit(14.0)),
            ("host calls", ours.host_calls, theirs.host_calls, None),
        ] {
            let value = Spread::exact(ours as f64);
            match bar {
                Some(bar) => report.check(format!("{name}: {what}, memctl"), "", value, bar),
                None => report.add(format!("{name}: {what}, memctl"), "", value),
            }
            report.add(
                format!("{name}: {what}, plain Rust device"),
                "",
                Spread::exact(theirs as f64),
            );
        }
        let shared = Spread::exact(ours.shared_lines as f64);
        let figure = format!("{name}: lines that two vCPUs both write, memctl");
        if name.starts_with("MPROTECT") {
            report.add(figure, "", shared);
        } else {
            report.check(figure, "", shared, Bar::AtMost(0.0));
        }
        let allocated = Spread::exact(ours.allocated_bytes as f64);
        report.check(
            format!("{name}: bytes allocated, memctl"),
            "",
            allocated,
            Bar::AtMost(0.0),
        );
    }
    Ok(())
}
