// SPDX-License-Identifier: Apache-2.0
//! Figures and curves: what a run yields, printed and as JSON.

use serde::Serialize;

use crate::measure::Spread;

/// What a figure is held to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub fn met(self, value: f64) -> bool {
        match self {
            Bar::AtMost(limit) => value <= limit,
            Bar::AtLeast(limit) => value >= limit,
        }
    }
}

/// One measured number.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: String,
    /// Empty for a ratio.
    pub unit: &'static str,
    pub value: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<Bar>,
    /// Whether the median keeps the bar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
}

/// A line of a picture: values of y over x.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, Spread)>,
}

/// How a cost grows.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub series: Vec<Series>,
    /// What y may reach at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

/// A run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub processor: String,
    pub kernel: String,
    pub figures: Vec<Figure>,
    pub curves: Vec<Curve>,
}

impl Report {
    pub fn new() -> Self {
        let first = |text: String, name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.unwrap_or_default().trim_matches([' ', '\t', ':']).to_owned()
        };
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let report = Report {
            processor: format!(
                "{}, {threads} threads",
                first(read("/proc/cpuinfo"), "model name")
            ),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            ..Report::default()
        };
        println!("{}; Linux {}", report.processor, report.kernel);
        println!(
            "{:<66} {:>10} {:<5} {:>9} .. {:<9} bar",
            "", "median", "", "lowest", "highest"
        );
        report
    }

    /// Keeps and prints a figure that has no bar.
    pub fn add(&mut self, name: impl Into<String>, unit: &'static str, value: Spread) {
        self.keep(name.into(), unit, value, None);
    }

    /// Keeps and prints a figure and whether it keeps its bar.
    pub fn check(&mut self, name: impl Into<String>, unit: &'static str, value: Spread, bar: Bar) {
        self.keep(name.into(), unit, value, Some(bar));
    }

    fn keep(&mut self, name: String, unit: &'static str, value: Spread, bar: Option<Bar>) {
        let met = bar.map(|bar| bar.met(value.median));
        let verdict = match (bar, met) {
            (Some(bar), Some(met)) => {
                let (relation, limit) = match bar {
                    Bar::AtMost(limit) => ("<=", limit),
                    Bar::AtLeast(limit) => (">=", limit),
                };
                format!("{relation} {limit} {}", if met { "OK" } else { "MISS" })
            }
            _ => String::new(),
        };
        let line = format!(
            "{name:<66} {:>10.2} {unit:<5} {:>9.2} .. {:<9.2} {verdict}",
            value.median, value.min, value.max
        );
        println!("{}", line.trim_end());
        self.figures.push(Figure {
            name,
            unit,
            value,
            bar,
            met,
        });
    }

    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// Figures whose bar is not kept.
    pub fn missed(&self) -> usize {
        self.figures
            .iter()
            .filter(|figure| figure.met == Some(false))
            .count()
    }
}
