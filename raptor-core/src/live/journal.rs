//! What happened lately, so that a listener whose connection broke goes on where it stopped.
//!
//! Committed changes are kept one by one, the newest [`KEPT`] of them. Of containers' and daemons' live state only the newest counts,
//! so all that is kept is when each was last news.

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

/// Changes that are kept.
const KEPT: usize = 4_096;

/// A place in the journal of one process: everything before it was told. As text it is the id of an event. The default is in no
/// journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    epoch: u64,
    /// The last change that was told.
    pub(crate) change: u64,
    /// Up to where live news was told; these wait to be told together, so this is often behind.
    pub(crate) live: u64,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}-{}", self.epoch, self.change, self.live)
    }
}

impl FromStr for Place {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(());
        let epoch = u64::from_str_radix(next()?, 16).map_err(|_| ())?;
        let (change, live) = (next()?.parse().map_err(|_| ())?, next()?.parse().map_err(|_| ())?);
        Ok(Self { epoch, change, live })
    }
}

/// The news of one process. Numbers begin at 1 and are shared by changes and live news.
pub(crate) struct Journal {
    epoch: u64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

/// Live news after a place.
pub(crate) struct Recent {
    /// Containers with another state.
    pub(crate) states: Vec<ContainerId>,
    /// Containers with other measurements.
    pub(crate) measured: Vec<ContainerId>,
    /// Daemons with another link or load.
    pub(crate) daemons: Vec<DaemonId>,
    /// Up to where this is.
    pub(crate) end: u64,
}

#[derive(Default)]
struct Kept {
    newest: u64,
    changes: VecDeque<(u64, Change)>,
    /// The newest change that is no longer kept, or that may have been missed.
    lost: u64,
    states: HashMap<ContainerId, u64>,
    measurements: HashMap<ContainerId, u64>,
    daemons: HashMap<DaemonId, u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        // Two processes never share one: its low half is random.
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

    /// Notes a committed change.
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

    /// Notes that changes may have been missed: everybody has to look for themselves.
    pub(crate) fn gap(&self) {
        self.write(|kept, number| {
            kept.changes.clear();
            kept.lost = number;
        });
    }

    /// Notes what is new without the store.
    pub(crate) fn live(&self, event: &LiveEvent) {
        self.write(|kept, number| match event {
            LiveEvent::Containers(ids) => kept.states.extend(ids.iter().map(|id| (*id, number))),
            LiveEvent::Measured(ids) => kept.measurements.extend(ids.iter().map(|id| (*id, number))),
            LiveEvent::Daemon(id) => _ = kept.daemons.insert(*id, number),
        });
    }

    /// Where it ends now.
    pub(crate) fn end(&self) -> Place {
        let newest = self.kept.lock().unwrap_or_else(PoisonError::into_inner).newest;
        Place { epoch: self.epoch, change: newest, live: newest }
    }

    /// Tells of everything that is noted from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The changes after `place`, oldest first, each with its number; None when some of them are no longer kept, or it is no place
    /// in this journal.
    pub(crate) fn changes(&self, place: Place) -> Option<Vec<(u64, Change)>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if place.epoch != self.epoch || place.change < kept.lost || place.change > kept.newest {
            return None;
        }
        let first = kept.changes.partition_point(|(number, _)| *number <= place.change);
        Some(kept.changes.range(first..).copied().collect())
    }

    /// Of which containers and daemons there is live news after `place`.
    pub(crate) fn news(&self, place: Place) -> Recent {
        fn since<I: Copy + Eq + Hash>(noted: &HashMap<I, u64>, after: u64) -> Vec<I> {
            noted.iter().filter(|(_, number)| **number > after).map(|(id, _)| *id).collect()
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Recent {
            states: since(&kept.states, place.live),
            measured: since(&kept.measurements, place.live),
            daemons: since(&kept.daemons, place.live),
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
        let place: Place = journal.end().to_string().parse().unwrap();
        assert_eq!(place, journal.end(), "an event's id is a place");
        assert_eq!(journal.changes(place).unwrap(), []);

        for _ in 0..100 {
            journal.live(&LiveEvent::Containers([one.into()].into()));
        }
        journal.live(&LiveEvent::Measured([other.into()].into()));
        journal.change(change(Verb::Created, other));
        journal.change(change(Verb::Updated, one));
        let told: Vec<Change> =
            journal.changes(place).unwrap().into_iter().map(|(_, change)| change).collect();
        assert_eq!(told, [change(Verb::Created, other), change(Verb::Updated, one)]);
        let Recent { states, measured, daemons, end } = journal.news(place);
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
        let kept = Place { change: 1, ..old };
        assert_eq!(journal.changes(kept).unwrap().len(), KEPT);
        assert_eq!(journal.changes(Journal::new().end()), None, "another process");
        assert_eq!(journal.changes(Place { change: u64::MAX, ..old }), None);

        let before = journal.end();
        journal.gap();
        assert_eq!(journal.changes(before), None);
        assert_eq!(journal.changes(journal.end()).unwrap(), []);
    }

    #[test]
    fn nothing_else_is_read_as_a_place() {
        for text in ["", "1", "1-2", "x-1-2", "1-2-", "1-2-3-4", "0-1-99999999999999999999"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
