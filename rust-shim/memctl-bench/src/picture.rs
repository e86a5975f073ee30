// SPDX-License-Identifier: Apache-2.0
//! Draws a run as SVG: two bar charts and the curves.
//!
//! Written by hand: two kinds of chart are less code than the crates that a drawing library would bring, and the colours can
//! follow the reader's light or dark scheme, for which those libraries have no notion.

use std::fmt::Write;

use crate::measure::Spread;
use crate::report::{Bar, Curve, Figure, Report};

const WIDTH: f64 = 960.0;
const PANEL_WIDTH: f64 = WIDTH / 2.0;
const PANEL_HEIGHT: f64 = 250.0;
const HEAD: f64 = 40.0;
/// Of a panel's plot: from the panel's left, top, and so on.
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 50.0;
const LINES: usize = 4;

/// Plain colours for each class, as not every renderer knows CSS variables.
const STYLE: &str = "
  text { font: 12px sans-serif; fill: #1f2328; }
  .title { font-weight: bold; } .middle { text-anchor: middle; } .end { text-anchor: end; }
  .back { fill: #ffffff; } .grid { stroke: #d0d7de; }
  .limit { stroke: #cf222e; stroke-dasharray: 6 4; fill: none; } .limit-text { fill: #cf222e; }
  .line { fill: none; stroke-width: 2; } .whisker { stroke-width: 1; opacity: 0.6; }
  .s0 { stroke: #0969da; } .s1 { stroke: #bc4c00; } .s2 { stroke: #1a7f37; }
  .f0 { fill: #0969da; } .f1 { fill: #bc4c00; } .f2 { fill: #1a7f37; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .back { fill: #0d1117; } .grid { stroke: #373e47; }
    .limit { stroke: #ff7b72; } .limit-text { fill: #ff7b72; }
    .s0 { stroke: #58a6ff; } .s1 { stroke: #f0883e; } .s2 { stroke: #3fb950; }
    .f0 { fill: #58a6ff; } .f1 { fill: #f0883e; } .f2 { fill: #3fb950; }
  }
";

/// The picture of a run.
pub fn draw(report: &Report) -> String {
    let panels = 2 + report.curves.len();
    let height = HEAD + PANEL_HEIGHT * panels.div_ceil(2) as f64;
    let mut svg = Svg(String::new());
    svg.put(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="What a memctl request costs">"#
    ));
    svg.put(format_args!("<style>{STYLE}</style>"));
    svg.put(format_args!(
        r#"<rect class="back" width="{WIDTH}" height="{height}"/>"#
    ));
    let head = format!(
        "What a memctl request costs ({}; Linux {})",
        report.processor, report.kernel
    );
    svg.text("title", 20.0, 24.0, &head);
    for panel in 0..panels {
        let (x, y) = (
            (panel % 2) as f64 * PANEL_WIDTH,
            HEAD + (panel / 2) as f64 * PANEL_HEIGHT,
        );
        svg.put(format_args!(r#"<g transform="translate({x} {y})">"#));
        match panel {
            0 => times(&mut svg, report),
            1 => counts(&mut svg, report),
            _ => curve(&mut svg, &report.curves[panel - 2]),
        }
        svg.put(format_args!("</g>"));
    }
    svg.put(format_args!("</svg>"));
    svg.0
}

struct Svg(String);

impl Svg {
    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes everything");
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.put(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
        ));
    }

    /// The part that both kinds of chart share: title, legend, and lines across with their values.
    fn frame(&mut self, title: &str, unit: &str, legend: &[&str], top: f64) {
        self.text("title", 20.0, 18.0, title);
        let mut x = 20.0;
        for (index, name) in legend.iter().enumerate() {
            self.put(format_args!(
                r#"<rect class="f{index}" x="{x}" y="28" width="10" height="10"/>"#
            ));
            self.text("", x + 14.0, 37.0, name);
            x += 30.0 + 6.7 * name.len() as f64;
        }
        for line in 0..=LINES {
            let value = top * line as f64 / LINES as f64;
            let y = height_of(value, top);
            self.put(format_args!(
                r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                PANEL_WIDTH - RIGHT
            ));
            self.text("end", LEFT - 6.0, y + 4.0, &short(value));
        }
        let middle = (TOP + PANEL_HEIGHT - BOTTOM) / 2.0;
        self.put(format_args!(
            r#"<text class="middle" transform="translate(14 {middle:.1}) rotate(-90)">{unit}</text>"#
        ));
    }
}

/// Where a value is, from the panel's top.
fn height_of(value: f64, top: f64) -> f64 {
    PANEL_HEIGHT - BOTTOM - (value / top).clamp(0.0, 1.0) * (PANEL_HEIGHT - BOTTOM - TOP)
}

/// The end of an axis: 1, 2 or 5 times a power of ten, or 4 or 8, so that a quarter of it is a plain number too.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let step = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn short(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{}k", (value / 1000.0).round()),
        value if value >= 10.0 || value.fract() == 0.0 => format!("{}", value.round()),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Pairs of bars: the library's and the plain device's.
fn bars(svg: &mut Svg, title: &str, unit: &str, pairs: &[(&str, Option<&Figure>, Option<&Figure>)]) {
    let value = |figure: &Option<&Figure>| figure.map_or(0.0, |figure| figure.value.median.max(0.0));
    let limit = |figure: &Option<&Figure>| match figure.and_then(|figure| figure.bar) {
        Some(Bar::AtMost(limit)) => limit,
        _ => 0.0,
    };
    let tallest = pairs
        .iter()
        .map(|(_, one, other)| value(one).max(value(other)).max(limit(one)));
    let top = nice(tallest.fold(0.0, f64::max) * 1.05);
    svg.frame(title, unit, &["memctl", "plain Rust device"], top);
    let width = (PANEL_WIDTH - LEFT - RIGHT) / pairs.len() as f64;
    for (index, (name, one, other)) in pairs.iter().enumerate() {
        let x = LEFT + width * index as f64;
        for (side, figure) in [one, other].into_iter().enumerate() {
            let value = value(figure);
            let (left, y) = (x + width * (0.12 + 0.38 * side as f64), height_of(value, top));
            let bar_width = width * 0.36;
            svg.put(format_args!(
                r#"<rect class="f{side}" x="{left:.1}" y="{y:.1}" width="{bar_width:.1}" height="{:.1}"/>"#,
                PANEL_HEIGHT - BOTTOM - y
            ));
            svg.text("middle", left + bar_width / 2.0, y - 4.0, &short(value));
        }
        if limit(one) > 0.0 {
            let y = height_of(limit(one), top);
            svg.put(format_args!(
                r#"<line class="limit" x1="{x:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                x + width
            ));
        }
        for (line, part) in name.split('\n').enumerate() {
            let y = PANEL_HEIGHT - BOTTOM + 16.0 + 14.0 * line as f64;
            svg.text("middle", x + width / 2.0, y, part);
        }
    }
}

fn times(svg: &mut Svg, report: &Report) {
    let pair = |label, name: &str, after: &str| {
        let figure = |who| report.figure(&format!("{name}: {who}{after}"));
        (label, figure("memctl"), figure("plain Rust device"))
    };
    let pairs = [
        pair("INFO\nwarm", "INFO warm", ""),
        pair("INFO after a\nsystem call", "INFO right after a system call", ""),
        pair("INFO after\n1 MiB walked", "INFO after a walk over 1 MiB", ""),
        pair(
            "DONTNEED\nover madvise",
            "DONTNEED of 4 KiB, absent",
            " over madvise",
        ),
    ];
    bars(svg, "Time of one request", "ns", &pairs);
}

fn counts(svg: &mut Svg, report: &Report) {
    let pair = |label, what: &str| {
        let figure = |who| report.figure(&format!("DONTNEED: {what}, {who}"));
        (label, figure("memctl"), figure("plain Rust device"))
    };
    let pairs = [
        pair("instructions\n/ 10", "instructions"),
        pair("cache\nlines", "cache lines"),
        pair("pages", "pages"),
    ];
    // Instructions are ten times what the others are; a tenth of them is drawn.
    let tenth = |figure: &Figure| Figure {
        value: Spread::exact(figure.value.median / 10.0),
        bar: figure.bar.map(|bar| match bar {
            Bar::AtMost(limit) => Bar::AtMost(limit / 10.0),
            Bar::AtLeast(limit) => Bar::AtLeast(limit / 10.0),
        }),
        ..figure.clone()
    };
    let scaled = (pairs[0].1.map(tenth), pairs[0].2.map(tenth));
    let first = (pairs[0].0, scaled.0.as_ref(), scaled.1.as_ref());
    let title = "What one DONTNEED touches (limits dashed)";
    bars(svg, title, "count", &[first, pairs[1], pairs[2]]);
}

/// Lines over a logarithmic axis, on which 0 has a place of its own.
fn curve(svg: &mut Svg, curve: &Curve) {
    let all = || curve.series.iter().flat_map(|series| &series.points);
    let tallest = all()
        .map(|point| point.1.median)
        .fold(curve.limit.unwrap_or(0.0), f64::max);
    let top = nice(tallest * 1.1);
    let legend: Vec<_> = curve.series.iter().map(|series| series.name).collect();
    svg.frame(curve.title, curve.y, &legend, top);
    let (first, last) = all().fold((f64::MAX, 0.0), |(low, high), (x, _)| (x.min(low), x.max(high)));
    let place = |x: f64| (1.0 + x).ln();
    let range = (place(last) - place(first)).max(1e-9);
    let (left, width) = (LEFT + 14.0, PANEL_WIDTH - LEFT - RIGHT - 34.0);
    let along = |x: f64| left + (place(x) - place(first)) / range * width;

    let mut free_from = 0.0;
    for (x, _) in curve.series.iter().take(1).flat_map(|series| &series.points) {
        let (at, label) = (along(*x), *x as u64);
        if at >= free_from {
            svg.text("middle", at, PANEL_HEIGHT - BOTTOM + 16.0, &label.to_string());
            free_from = at + 46.0;
        }
    }
    svg.text(
        "middle",
        left + width / 2.0,
        PANEL_HEIGHT - BOTTOM + 34.0,
        curve.x,
    );
    for (index, series) in curve.series.iter().enumerate() {
        let mut path = String::new();
        for (x, value) in &series.points {
            let (at, y) = (along(*x), height_of(value.median, top));
            let (low, high) = (height_of(value.min, top), height_of(value.max, top));
            svg.put(format_args!(
                r#"<line class="whisker s{index}" x1="{at:.1}" y1="{low:.1}" x2="{at:.1}" y2="{high:.1}"/>"#
            ));
            svg.put(format_args!(
                r#"<circle class="f{index}" cx="{at:.1}" cy="{y:.1}" r="3"/>"#
            ));
            write!(path, "{at:.1},{y:.1} ").expect("a string takes everything");
        }
        svg.put(format_args!(
            r#"<polyline class="line s{index}" points="{}"/>"#,
            path.trim_end()
        ));
    }
    if let Some(limit) = curve.limit {
        let (y, end) = (height_of(limit, top), PANEL_WIDTH - RIGHT);
        svg.put(format_args!(
            r#"<line class="limit" x1="{LEFT}" y1="{y:.1}" x2="{end:.1}" y2="{y:.1}"/>"#
        ));
        svg.text("limit-text end", end, y - 4.0, &format!("limit {limit}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_plain_numbers() {
        assert_eq!(
            [0.7, 1.0, 1.1, 37.0, 61.0, 901.0].map(nice),
            [0.8, 1.0, 2.0, 40.0, 80.0, 1000.0]
        );
    }

    #[test]
    fn values_are_short() {
        assert_eq!(
            [0.25, 1.0, 1.25, 60.4, 524_288.0].map(short),
            ["0.25", "1", "1.2", "60", "524k"]
        );
    }
}
