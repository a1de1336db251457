//! The results table.

use anyhow::Context;
use std::{fmt::Write, fs, path::Path};

/// How a figure is judged.
#[derive(Clone, Copy)]
pub enum Target {
    /// At least this fraction of the reference.
    AtLeast(f64),
    /// At most this fraction of the reference.
    AtMost(f64),
    /// At most this value, whatever the reference.
    Limit(f64),
    /// No target; for information.
    Known,
}

/// A figure and its reference.
pub struct Row {
    pub what: String,
    /// The unit of both numbers.
    pub unit: &'static str,
    pub ours: f64,
    /// The reference's value and its name.
    pub reference: Option<(f64, &'static str)>,
    pub target: Target,
}

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.reference.map(|(reference, _)| self.ours / reference)
    }

    fn kept(&self) -> Option<bool> {
        let ratio = self.ratio();
        match self.target {
            Target::AtLeast(least) => ratio.map(|ratio| ratio >= least),
            Target::AtMost(most) => ratio.map(|ratio| ratio <= most),
            Target::Limit(most) => Some(self.ours <= most),
            Target::Known => None,
        }
    }

    fn line(&self) -> String {
        let reference =
            self.reference.map_or_else(|| "-".into(), |(value, name)| format!("{} ({name})", number(value)));
        let ratio = self.ratio().map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
        let target = match self.target {
            Target::AtLeast(least) => format!("≥ {least:.2} ×"),
            Target::AtMost(most) => format!("≤ {most:.2} ×"),
            Target::Limit(most) => format!("≤ {}", number(most)),
            Target::Known => "-".into(),
        };
        let kept = match self.kept() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        format!(
            "| {} | {} | {} | {reference} | {ratio} | {target} | {kept} |",
            self.what,
            self.unit,
            number(self.ours)
        )
    }
}

fn number(value: f64) -> String {
    if value >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

impl Report {
    /// Adds a figure and prints it.
    pub fn add(&mut self, row: Row) {
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// The table in Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| what | unit | Raptor | reference | ratio | target | met |\n|---|---|---:|---:|---:|---:|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(table, "{}", row.line());
        }
        table
    }

    /// Replaces the table between its two markers in the document, or adds one with them.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        const BEGIN: &str = "<!-- table -->\n";
        const END: &str = "<!-- /table -->\n";
        let text = fs::read_to_string(path).unwrap_or_else(|_| format!("# Benchmarks\n\n{BEGIN}{END}"));
        let (before, rest) = text.split_once(BEGIN).context("the document has no place for the table")?;
        let (_, after) = rest.split_once(END).context("the document has no end of the table")?;
        fs::write(path, format!("{before}{BEGIN}\n{}\n{}\n{END}{after}", machine(), self.table()))?;
        Ok(())
    }
}

/// The machine that the figures were measured on.
fn machine() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once([':', '='])
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "Measured on {} × {}, {} of memory, {}, kernel {}.\n",
        cpus,
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        first("/etc/os-release", "PRETTY_NAME"),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
    )
}
