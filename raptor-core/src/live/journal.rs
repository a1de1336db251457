//! Recent events, so that a client whose connection broke can resume where it stopped.
//!
//! The newest [`KEPT`] committed changes are kept one by one. Of the live state of containers and daemons only the newest
//! counts, so all that is kept is when each last changed.

use super::LiveEvent;
use crate::{
    id::{ContainerId, DaemonId},
    store::{Change, Subject, Verb},
};
use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Display, Formatter},
    hash::Hash,
    str::FromStr,
    sync::{Mutex, PoisonError},
};
use tokio::sync::watch;
use uuid::Uuid;

/// How many changes are kept.
const KEPT: usize = 4_096;

/// A cursor in the journal of one process: everything before it was delivered. Its text form is the id of a server-sent event.
/// The default is a position in no journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    epoch: u64,
    /// The last delivered change.
    pub(crate) change: u64,
    /// The live events delivered so far. These are batched, so this is often behind `change`.
    pub(crate) live: u64,
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}-{}", self.epoch, self.change, self.live)
    }
}

impl FromStr for Position {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(());
        let epoch = u64::from_str_radix(next()?, 16).map_err(|_| ())?;
        let (change, live) = (next()?.parse().map_err(|_| ())?, next()?.parse().map_err(|_| ())?);
        Ok(Self { epoch, change, live })
    }
}

/// The journal of one process. Numbers begin at 1 and are shared by changes and live events.
pub(crate) struct Journal {
    epoch: u64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

/// Live events after a position.
pub(crate) struct Recent {
    /// Containers whose state changed.
    pub(crate) states: Vec<ContainerId>,
    /// Containers with new measurements.
    pub(crate) measured: Vec<ContainerId>,
    /// Daemons whose link or load changed.
    pub(crate) daemons: Vec<DaemonId>,
    /// The position up to which this reaches.
    pub(crate) end: u64,
}

#[derive(Default)]
struct Kept {
    newest: u64,
    changes: VecDeque<(u64, Change)>,
    /// The newest change that is no longer kept, or may have been missed.
    lost: u64,
    states: HashMap<ContainerId, u64>,
    measurements: HashMap<ContainerId, u64>,
    daemons: HashMap<DaemonId, u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        // The low half is random, so no two processes share an epoch.
        let (_, epoch) = Uuid::now_v7().as_u64_pair();
        Self { epoch, kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    fn write(&self, note: impl FnOnce(&mut Kept, u64)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.newest += 1;
        let number = kept.newest;
        note(&mut kept, number);
        drop(kept);
        self.newest.send_replace(number);
    }

    /// Adds a committed change.
    pub(crate) fn change(&self, change: Change) {
        self.write(|kept, number| {
            if kept.changes.len() == KEPT {
                kept.lost = kept.changes.pop_front().map_or(number, |(number, _)| number);
            }
            kept.changes.push_back((number, change));
            if (change.subject, change.verb) == (Subject::Container, Verb::Deleted) {
                kept.states.remove(&change.id.into());
                kept.measurements.remove(&change.id.into());
            }
        });
    }

    /// Records that changes may have been missed, so that everybody reloads.
    pub(crate) fn gap(&self) {
        self.write(|kept, number| {
            kept.changes.clear();
            kept.lost = number;
        });
    }

    /// Adds a live event, which is not in the store.
    pub(crate) fn live(&self, event: &LiveEvent) {
        self.write(|kept, number| match event {
            LiveEvent::Containers(ids) => kept.states.extend(ids.iter().map(|id| (*id, number))),
            LiveEvent::Measured(ids) => kept.measurements.extend(ids.iter().map(|id| (*id, number))),
            LiveEvent::Daemon(id) => _ = kept.daemons.insert(*id, number),
        });
    }

    /// The current end of the journal.
    pub(crate) fn end(&self) -> Position {
        let newest = self.kept.lock().unwrap_or_else(PoisonError::into_inner).newest;
        Position { epoch: self.epoch, change: newest, live: newest }
    }

    /// A receiver that is notified of every new entry.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The changes after `position`, oldest first, each with its number; `None` if some of them are no longer kept, or it is a
    /// position in another journal.
    pub(crate) fn changes(&self, position: Position) -> Option<Vec<(u64, Change)>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if position.epoch != self.epoch || position.change < kept.lost || position.change > kept.newest {
            return None;
        }
        let first = kept.changes.partition_point(|(number, _)| *number <= position.change);
        Some(kept.changes.range(first..).copied().collect())
    }

    /// The containers and daemons with live events after `position`.
    pub(crate) fn news(&self, position: Position) -> Recent {
        fn since<I: Copy + Eq + Hash>(noted: &HashMap<I, u64>, after: u64) -> Vec<I> {
            noted.iter().filter(|(_, number)| **number > after).map(|(id, _)| *id).collect()
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Recent {
            states: since(&kept.states, position.live),
            measured: since(&kept.measurements, position.live),
            daemons: since(&kept.daemons, position.live),
            end: kept.newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(verb: Verb, id: Uuid) -> Change {
        Change::new(Subject::Container, verb, id)
    }

    #[test]
    fn who_comes_back_is_told_each_change_once_and_of_live_news_the_last() {
        let journal = Journal::new();
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        journal.change(change(Verb::Created, one));
        let position: Position = journal.end().to_string().parse().unwrap();
        assert_eq!(position, journal.end(), "an event's id is a position");
        assert_eq!(journal.changes(position).unwrap(), []);

        for _ in 0..100 {
            journal.live(&LiveEvent::Containers([one.into()].into()));
        }
        journal.live(&LiveEvent::Measured([other.into()].into()));
        journal.change(change(Verb::Created, other));
        journal.change(change(Verb::Updated, one));
        let told: Vec<Change> =
            journal.changes(position).unwrap().into_iter().map(|(_, change)| change).collect();
        assert_eq!(told, [change(Verb::Created, other), change(Verb::Updated, one)]);
        let Recent { states, measured, daemons, end } = journal.news(position);
        assert_eq!((states, measured, daemons.len(), end), (vec![one.into()], vec![other.into()], 0, 104));
        let after = journal.news(journal.end());
        assert_eq!((after.states, after.measured), (vec![], vec![]));
    }

    #[test]
    fn a_place_that_is_too_old_or_of_another_process_is_a_gap() {
        let journal = Journal::new();
        let old = journal.end();
        for _ in 0..=KEPT {
            journal.change(change(Verb::Updated, Uuid::now_v7()));
        }
        assert_eq!(journal.changes(old), None);
        let kept = Position { change: 1, ..old };
        assert_eq!(journal.changes(kept).unwrap().len(), KEPT);
        assert_eq!(journal.changes(Journal::new().end()), None, "another process");
        assert_eq!(journal.changes(Position { change: u64::MAX, ..old }), None);

        let before = journal.end();
        journal.gap();
        assert_eq!(journal.changes(before), None);
        assert_eq!(journal.changes(journal.end()).unwrap(), []);
    }

    #[test]
    fn nothing_else_is_read_as_a_place() {
        for text in ["", "1", "1-2", "x-1-2", "1-2-", "1-2-3-4", "0-1-99999999999999999999"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
