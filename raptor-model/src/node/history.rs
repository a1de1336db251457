//! What a host keeps of the past: consoles and measurements.

use super::LineKind;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::io;

/// The most hits of one page.
pub const MAX_HITS: u32 = 500;

/// What is looked for in a console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleSearch {
    /// Text, at most 500 characters; all lines unless given. Escape sequences are not part of a line's text.
    pub text: Option<String>,
    /// Whether `text` is a regular expression (Rust's `regex` crate: no look-around, no back-references).
    #[serde(default)]
    pub regex: bool,
    /// Whether upper and lower case differ.
    #[serde(default)]
    pub match_case: bool,
    /// Lines from then on.
    pub from: Option<DateTime<Utc>>,
    /// Only lines from before this time; up to the newest line if absent.
    pub to: Option<DateTime<Utc>>,
    /// Whether the oldest hit comes first rather than the newest.
    #[serde(default)]
    pub oldest_first: bool,
    /// [`ConsoleFound::next`] of the page before.
    pub cursor: Option<u64>,
    /// Hits at most, 1 to [`MAX_HITS`].
    pub limit: u32,
}

/// Lines that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleFound {
    /// In the order asked for.
    pub hits: Vec<ConsoleHit>,
    /// The next page's `cursor`; none when everything was looked at. A page may be short, even empty, and have a next one: a
    /// search that takes long is answered in pieces.
    pub next: Option<u64>,
    /// The number of the oldest line that is kept; 0 where there is none.
    pub oldest: u64,
    /// The number of the newest line; 0 where there is none.
    pub newest: u64,
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleHit {
    /// Number of the line, as in `ConsoleLine`.
    pub seq: u64,
    /// When the daemon read it.
    pub at: DateTime<Utc>,
    /// Where the line came from.
    pub kind: LineKind,
    /// The text without escape sequences.
    pub text: String,
    /// Where in it the text is that was looked for; the first ones where there are many.
    pub parts: Vec<HitPart>,
}

/// A part of a line, counted in characters (Unicode scalar values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HitPart {
    /// The position of its first character, counted from 0.
    pub start: u32,
    /// The character after its last one.
    pub end: u32,
}

/// How a console is downloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleExport {
    /// Lines from then on.
    pub from: Option<DateTime<Utc>>,
    /// Only lines from before this time; up to the newest line if absent.
    pub to: Option<DateTime<Utc>>,
    /// Whether escape sequences stay in.
    pub ansi: bool,
    /// Whether each line begins with its time (RFC 3339, UTC, milliseconds).
    pub timestamps: bool,
    /// Whether it comes compressed by gzip.
    pub gzip: bool,
}

/// How far back measurements are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StatsRange {
    /// The last hour in steps of 10 s.
    Hour,
    /// The last day in steps of a minute.
    Day,
    /// The last week in steps of 10 minutes.
    Week,
}

impl StatsRange {
    /// All of them, the finest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Seconds of one step.
    #[must_use]
    pub const fn step_seconds(self) -> u32 {
        match self {
            Self::Hour => 10,
            Self::Day => 60,
            Self::Week => 600,
        }
    }

    /// How many steps the range has.
    #[must_use]
    pub const fn steps(self) -> u32 {
        match self {
            Self::Hour => 360,
            Self::Day => 1_440,
            Self::Week => 1_008,
        }
    }

    /// The name in JSON and in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// Measurements over time. Every list has one value for each step; none where nothing was measured, as of a container that was
/// offline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatsHistory {
    /// The range that was asked for.
    pub range: StatsRange,
    /// When the first step begins.
    pub from: DateTime<Utc>,
    /// Seconds from one step to the next.
    pub step_seconds: u32,
    /// CPU in percent of one CPU.
    pub cpu_percent: Series,
    /// Memory in use in bytes, without the page cache.
    pub memory_bytes: Series,
    /// Disk space in use, in bytes.
    pub disk_bytes: Series,
    /// Bytes received in a second.
    pub network_rx_bytes_per_second: Series,
    /// Bytes sent in a second.
    pub network_tx_bytes_per_second: Series,
}

/// One measurement over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Series {
    /// The least of each step.
    pub min: Vec<Option<f64>>,
    /// The mean of each step.
    pub avg: Vec<Option<f64>>,
    /// The most of each step.
    pub max: Vec<Option<f64>>,
}

impl Series {
    /// Adds a step: least, mean and most.
    pub fn push(&mut self, step: Option<[f64; 3]>) {
        let [min, avg, max] = step.map_or([None; 3], |step| step.map(Some));
        self.min.push(min);
        self.avg.push(avg);
        self.max.push(max);
    }
}

impl StatsHistory {
    /// One that is empty so far; its steps end with the one that `now` is in.
    #[must_use]
    pub fn until(now: DateTime<Utc>, range: StatsRange) -> Self {
        let (step, steps) = (i64::from(range.step_seconds()), i64::from(range.steps()));
        let first = now.timestamp().div_euclid(step) - (steps - 1);
        Self {
            range,
            from: DateTime::from_timestamp(first * step, 0).unwrap_or(DateTime::UNIX_EPOCH),
            step_seconds: range.step_seconds(),
            cpu_percent: Series::default(),
            memory_bytes: Series::default(),
            disk_bytes: Series::default(),
            network_rx_bytes_per_second: Series::default(),
            network_tx_bytes_per_second: Series::default(),
        }
    }

    /// Adds a step: least, mean and most of CPU, memory, disk, received and sent.
    pub fn push(&mut self, step: Option<[[f64; 3]; 5]>) {
        let [cpu, memory, disk, rx, tx] = step.map_or([None; 5], |step| step.map(Some));
        self.cpu_percent.push(cpu);
        self.memory_bytes.push(memory);
        self.disk_bytes.push(disk);
        self.network_rx_bytes_per_second.push(rx);
        self.network_tx_bytes_per_second.push(tx);
    }
}

/// The bytes of a download, as they come.
pub type Download = BoxStream<'static, io::Result<Bytes>>;
