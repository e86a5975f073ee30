// SPDX-License-Identifier: Apache-2.0
//! The committed counts, and what is checked against them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By how much a count may exceed the committed one: where things come to lie moves it, with the length of a path or with
/// another release of a compiler or of the C library.
const SLACK_INSTRUCTIONS_PERCENT: u64 = 3;
const SLACK_LINES_PERCENT: u64 = 10;
const SLACK_PAGES: u64 = 4;

/// What one request costs, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// In user mode, from the VMM's call to its return.
    pub instructions: u64,
    /// Of 64 bytes, code and data.
    pub cache_lines: u64,
    /// Of 4 KiB, code and data.
    pub pages: u64,
    /// Lines that two vCPUs with a channel each both write.
    pub shared_lines: u64,
    /// System calls.
    pub host_calls: u64,
    /// Bytes of heap, managed and by malloc.
    pub allocated_bytes: u64,
}

/// The file `counts.json`: counts by name of the request.
pub type Ledger = BTreeMap<String, Counts>;

/// The lines of a TAP report: one for each count of each request, `not ok` where it is worse than the committed one.
pub fn check(committed: &Ledger, measured: &Ledger) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, counts) in measured {
        let Some(limit) = committed.get(name) else {
            lines.push(format!("not ok - {name}: the file of counts does not contain it"));
            continue;
        };
        let instructions_slack = limit.instructions * SLACK_INSTRUCTIONS_PERCENT / 100;
        let lines_slack = limit.cache_lines * SLACK_LINES_PERCENT / 100;
        for (what, value, limit, slack) in [
            (
                "instructions",
                counts.instructions,
                limit.instructions,
                instructions_slack,
            ),
            ("cache lines", counts.cache_lines, limit.cache_lines, lines_slack),
            ("pages", counts.pages, limit.pages, SLACK_PAGES),
            ("shared lines", counts.shared_lines, limit.shared_lines, 0),
            ("host calls", counts.host_calls, limit.host_calls, 0),
            (
                "allocated bytes",
                counts.allocated_bytes,
                limit.allocated_bytes,
                0,
            ),
        ] {
            let verdict = if value > limit + slack { "not ok" } else { "ok" };
            let better = if value < limit {
                "; lower it in the file"
            } else {
                ""
            };
            lines.push(format!(
                "{verdict} - {name}: {value} {what}, committed {limit}{better}"
            ));
        }
    }
    lines.extend(
        committed
            .keys()
            .filter(|name| !measured.contains_key(*name))
            .map(|name| format!("not ok - {name}: in the file of counts, and not counted any more")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(instructions: u64, host_calls: u64) -> Ledger {
        let counts = Counts {
            instructions,
            cache_lines: 70,
            pages: 14,
            shared_lines: 0,
            host_calls,
            allocated_bytes: 0,
        };
        Ledger::from([("DONTNEED".to_owned(), counts)])
    }

    fn failures(committed: &Ledger, measured: &Ledger) -> Vec<String> {
        let mut lines = check(committed, measured);
        lines.retain(|line| line.starts_with("not ok"));
        lines
    }

    #[test]
    fn a_worse_count_fails_past_the_slack() {
        assert!(failures(&ledger(600, 1), &ledger(618, 1)).is_empty());
        assert_eq!(
            failures(&ledger(600, 1), &ledger(619, 1)),
            ["not ok - DONTNEED: 619 instructions, committed 600"]
        );
    }

    #[test]
    fn host_calls_and_bytes_have_no_slack() {
        assert_eq!(
            failures(&ledger(600, 1), &ledger(600, 2)),
            ["not ok - DONTNEED: 2 host calls, committed 1"]
        );
    }

    #[test]
    fn a_better_count_asks_for_a_lower_one_in_the_file() {
        let lines = check(&ledger(600, 1), &ledger(599, 1));
        assert_eq!(
            lines[0],
            "ok - DONTNEED: 599 instructions, committed 600; lower it in the file"
        );
    }

    #[test]
    fn a_request_that_only_one_side_knows_fails() {
        assert_eq!(failures(&ledger(600, 1), &Ledger::new()).len(), 1);
        assert_eq!(failures(&Ledger::new(), &ledger(600, 1)).len(), 1);
    }
}
