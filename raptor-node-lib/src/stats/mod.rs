//! Measurements over time: ring files of fixed size, for each container and for the host.

mod ring;
mod slot;

use crate::warning_limit::WarningLimit;
use chrono::{DateTime, Utc};
use raptor_model::{
    id::ContainerId,
    node::{Stats, StatsHistory, StatsRange, SystemInfo},
};
use slot::{Slot, VALUES};
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Limits warnings about a full disk, which would otherwise be logged with every measurement.
static WARNED: WarningLimit = WarningLimit::per_minute();
/// If two measurements are farther apart, in milliseconds, no network rate is computed from them.
const MAX_APART_MS: i64 = 30_000;

/// A measurement at one time.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    cpu_percent: f64,
    memory_bytes: u64,
    disk_bytes: u64,
    /// A counter with an arbitrary start: only differences count.
    rx_bytes: u64,
    tx_bytes: u64,
}

#[derive(Default)]
struct Recorder {
    before: Option<(DateTime<Utc>, Measured)>,
    /// Measurements that were not written yet, by step of the finest resolution.
    waiting: Vec<Slot>,
}

/// Collects and stores measurements.
pub(crate) struct History {
    base: PathBuf,
    recorders: Mutex<HashMap<Option<ContainerId>, Recorder>>,
}

impl History {
    /// A history whose files are below the daemon's base folder.
    pub(crate) fn new(base: &Path) -> Self {
        Self { base: base.to_owned(), recorders: Mutex::default() }
    }

    fn recorders(&self) -> MutexGuard<'_, HashMap<Option<ContainerId>, Recorder>> {
        self.recorders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Beside a container's other state, so that it is removed with that.
    fn path(&self, of: Option<ContainerId>) -> PathBuf {
        let folder = self.base.join(".raptor");
        match of {
            Some(id) => folder.join(id.to_string()).join("stats.ring"),
            None => folder.join("host.ring"),
        }
    }

    /// Adds a measurement of a container.
    pub(crate) fn note(&self, id: ContainerId, at: DateTime<Utc>, stats: &Stats) {
        let measured = Measured {
            cpu_percent: stats.cpu_percent,
            memory_bytes: stats.memory_bytes,
            disk_bytes: stats.disk_bytes,
            rx_bytes: stats.network_rx_bytes,
            tx_bytes: stats.network_tx_bytes,
        };
        self.add(Some(id), at, measured);
    }

    /// Adds a measurement of the host.
    pub(crate) fn note_host(&self, system: &SystemInfo, (rx_bytes, tx_bytes): (u64, u64)) {
        let measured = Measured {
            cpu_percent: system.cpu_percent,
            memory_bytes: system.memory_used_bytes,
            disk_bytes: system.disk_used_bytes,
            rx_bytes,
            tx_bytes,
        };
        self.add(None, system.time, measured);
    }

    fn add(&self, of: Option<ContainerId>, at: DateTime<Utc>, now: Measured) {
        let mut recorders = self.recorders();
        let recorder = recorders.entry(of).or_default();
        let before = recorder.before.replace((at, now));
        // CPU usage and rates are differences: the first measurement has none.
        let Some((then, before)) = before else { return };
        let apart = (at - then).num_milliseconds();
        if !(1..=MAX_APART_MS).contains(&apart) {
            return;
        }
        // A counter that went back was reset.
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 * 1_000.0 / apart as f64;
        let values: [f64; VALUES] = [
            now.cpu_percent,
            now.memory_bytes as f64,
            now.disk_bytes as f64,
            rate(now.rx_bytes, before.rx_bytes),
            rate(now.tx_bytes, before.tx_bytes),
        ];
        let slot = Slot::of(at.timestamp(), values);
        let step = i64::from(StatsRange::Hour.step_seconds());
        match recorder.waiting.last_mut() {
            Some(last) if last.start.div_euclid(step) == slot.start.div_euclid(step) => last.merge(&slot),
            _ => recorder.waiting.push(slot),
        }
    }

    /// Writes the collected measurements. Blocking. If the disk fails, only history is lost.
    pub(crate) fn flush(&self) {
        let waiting: Vec<_> = {
            let mut recorders = self.recorders();
            let collected = recorders.iter_mut().filter(|(_, recorder)| !recorder.waiting.is_empty());
            collected.map(|(of, recorder)| (*of, std::mem::take(&mut recorder.waiting))).collect()
        };
        for (of, slots) in waiting {
            if let Err(error) = ring::add(&self.path(of), &slots)
                // A container that was removed in the meantime has no folder.
                && error.kind() != io::ErrorKind::NotFound
                && WARNED.is_due()
            {
                tracing::warn!(%error, ?of, "storing measurements failed");
            }
        }
    }

    /// The stored measurements. Blocking.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn read(
        &self,
        of: Option<ContainerId>,
        now: DateTime<Utc>,
        range: StatsRange,
    ) -> io::Result<StatsHistory> {
        let mut history = StatsHistory::until(now, range);
        for slot in ring::read(&self.path(of), history.from.timestamp(), range)? {
            history.push(slot.map(|slot| slot.values()));
        }
        Ok(history)
    }

    /// Forgets counters of containers whose processes have ended, so that the next process is not compared with them.
    pub(crate) fn pause(&self, running: impl Fn(ContainerId) -> bool) {
        for (of, recorder) in self.recorders().iter_mut() {
            if of.is_some_and(|id| !running(id)) {
                recorder.before = None;
            }
        }
    }

    /// Forgets a removed container.
    pub(crate) fn forget(&self, id: ContainerId) {
        self.recorders().remove(&Some(id));
    }
}

#[cfg(test)]
mod tests;
