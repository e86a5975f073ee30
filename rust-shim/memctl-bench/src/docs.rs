// SPDX-License-Identifier: Apache-2.0
//! Brings a run into docs/performance.md: the tables between two marks, and the picture beside the page.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::picture;
use crate::report::{Bar, Figure, Report};

const BEGIN: &str = "<!-- figures: written by ./build.sh bench --docs docs -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Rewrites `performance.md` and `performance.svg` in `directory`.
///
/// # Errors
/// A file can't be read or written, or the page lacks a mark.
pub fn write(report: &Report, directory: &Path) -> Result<(), Box<dyn Error>> {
    let page = directory.join("performance.md");
    let text = with_figures(&fs::read_to_string(&page)?, report).ok_or("performance.md lacks a mark")?;
    fs::write(page, text)?;
    fs::write(directory.join("performance.svg"), picture::draw(report))?;
    Ok(())
}

fn with_figures(page: &str, report: &Report) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let mut text = format!(
        "{before}{BEGIN}\n{}; Linux {}.\n\n",
        report.processor, report.kernel
    );
    text.push_str("| figure | median | lowest to highest | limit | |\n|---|---|---|---|---|\n");
    for figure in &report.figures {
        if let Some(bar) = figure.bar {
            let limit = match bar {
                Bar::AtMost(limit) => format!("at most {limit}"),
                Bar::AtLeast(limit) => format!("at least {limit}"),
            };
            let verdict = if figure.met == Some(true) {
                "kept"
            } else {
                "**missed**"
            };
            writeln!(text, "| {} | {limit} | {verdict} |", cells(figure)).ok()?;
        }
    }
    text.push_str("\nWithout a limit:\n\n| figure | median | lowest to highest |\n|---|---|---|\n");
    for figure in report.figures.iter().filter(|figure| figure.bar.is_none()) {
        writeln!(text, "| {} |", cells(figure)).ok()?;
    }
    write!(text, "\n{END}{after}").ok()?;
    Some(text)
}

fn cells(figure: &Figure) -> String {
    let (value, unit) = (figure.value, figure.unit);
    let number = |value: f64| {
        if value == value.round() || value.abs() >= 100.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        }
    };
    let range = if value.min == value.max {
        String::new()
    } else {
        format!("{} to {}", number(value.min), number(value.max))
    };
    let median = format!("{} {unit}", number(value.median));
    format!("{} | {} | {range}", figure.name, median.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Spread;

    #[test]
    fn figures_replace_what_is_between_the_marks() {
        let report = Report {
            processor: "P".to_owned(),
            kernel: "K".to_owned(),
            figures: vec![
                Figure {
                    name: "checked".to_owned(),
                    unit: "ns",
                    value: Spread {
                        median: 2.5,
                        min: 1.0,
                        max: 300.4,
                    },
                    bar: Some(Bar::AtMost(2.0)),
                    met: Some(false),
                },
                Figure {
                    name: "added".to_owned(),
                    unit: "",
                    value: Spread::exact(1.0),
                    bar: None,
                    met: None,
                },
            ],
            curves: Vec::new(),
        };
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let text = with_figures(&page, &report).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with("after\n"));
        assert!(text.contains("| checked | 2.50 ns | 1 to 300 | at most 2 | **missed** |\n"));
        assert!(text.contains("| added | 1 |  |\n"));
        assert!(!text.contains("old\n"));
        assert!(with_figures("no marks", &report).is_none());
    }
}
