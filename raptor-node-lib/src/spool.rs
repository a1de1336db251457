//! Events that must reach the API: numbered, and stored on disk until they are acknowledged.

use chrono::{DateTime, Utc};
use raptor_model::{
    id::ContainerId,
    node::{Happened, Happening},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use uuid::Uuid;

/// Most unacknowledged events; beyond it, the oldest are dropped and logged.
const MAX_WAITING: usize = 20_000;

#[derive(Serialize, Deserialize)]
struct Head {
    spool: Uuid,
    /// The number of the newest event that is no longer in the file.
    before: u64,
}

struct Inner {
    newest: u64,
    waiting: VecDeque<Happened>,
    /// Whether appending failed, so that the whole file has to be rewritten.
    torn: bool,
}

/// The events of one daemon.
pub(crate) struct Spool {
    id: Uuid,
    path: PathBuf,
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

impl Spool {
    /// Opens the spool in `folder`. New events get the spool id `id`, which must never have been used: a folder restored from a
    /// backup would otherwise reuse numbers that the API has already seen, and its events would be taken for duplicates. Stored
    /// events keep their id, so that each counts once.
    ///
    /// # Errors
    /// If the folder is unusable.
    pub(crate) fn open(folder: &Path, id: Uuid) -> io::Result<Self> {
        let path = folder.join("events.jsonl");
        let mut lines = match File::open(&path) {
            Ok(file) => BufReader::new(file).lines().map_while(Result::ok).collect::<Vec<_>>().into_iter(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new().into_iter(),
            Err(error) => return Err(error),
        };
        let head = lines.next().and_then(|line| serde_json::from_str::<Head>(&line).ok());
        let before = head.map_or(0, |head| head.before);
        // A line that was cut short by a crash is the last one; its event was never sent.
        let waiting: VecDeque<Happened> = lines.map_while(|line| serde_json::from_str(&line).ok()).collect();
        let newest = waiting.back().map_or(before, |event| event.number);
        let inner = Inner { newest, waiting, torn: true };
        let spool = Self { id, path, inner: Mutex::new(inner), newest: watch::Sender::new(newest) };
        spool.rewrite(&mut spool.inner())?;
        Ok(spool)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. It is on disk before it is sent.
    pub(crate) fn add(&self, at: DateTime<Utc>, id: ContainerId, what: Happening) {
        let mut inner = self.inner();
        inner.newest += 1;
        let event = Happened { spool: self.id, number: inner.newest, at, id, what };
        if inner.waiting.len() >= MAX_WAITING {
            tracing::error!("{MAX_WAITING} events were not acknowledged; dropping the oldest");
            inner.waiting.pop_front();
            inner.torn = true;
        }
        inner.waiting.push_back(event.clone());
        let kept = if inner.torn { self.rewrite(&mut inner) } else { self.append(&event) };
        if let Err(error) = kept {
            inner.torn = true;
            tracing::error!(%error, "storing an event failed; it is kept in memory only");
        }
        self.newest.send_replace(inner.newest);
    }

    fn append(&self, event: &Happened) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut file = File::options().append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()
    }

    fn rewrite(&self, inner: &mut Inner) -> io::Result<()> {
        let before = inner.waiting.front().map_or(inner.newest, |event| event.number - 1);
        let mut text = serde_json::to_vec(&Head { spool: self.id, before })?;
        for event in &inner.waiting {
            text.push(b'\n');
            text.extend(serde_json::to_vec(event)?);
        }
        text.push(b'\n');
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(temporary, &self.path)?;
        inner.torn = false;
        Ok(())
    }

    /// Deletes the events of `spool` up to `number`.
    ///
    /// # Errors
    /// If the disk fails; the events are sent again after a restart.
    pub(crate) fn acknowledge(&self, spool: Uuid, number: u64) -> io::Result<()> {
        let mut inner = self.inner();
        let before = inner.waiting.len();
        inner.waiting.retain(|event| event.spool != spool || event.number > number);
        if inner.waiting.len() == before { Ok(()) } else { self.rewrite(&mut inner) }
    }

    /// The oldest unacknowledged event after number `after`.
    pub(crate) fn after(&self, after: u64) -> Option<Happened> {
        self.inner().waiting.iter().find(|event| event.number > after).cloned()
    }

    /// A receiver of the newest event's number.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(spool: &Spool) -> Vec<u64> {
        let (mut after, mut numbers) = (0, Vec::new());
        while let Some(event) = spool.after(after) {
            after = event.number;
            numbers.push(after);
        }
        numbers
    }

    fn add(spool: &Spool) {
        spool.add(DateTime::UNIX_EPOCH, ContainerId::generate(), Happening::Recovered);
    }

    #[test]
    fn events_wait_on_disk_until_they_are_acknowledged_and_numbers_never_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let id = Uuid::now_v7();
        let spool = Spool::open(folder.path(), id).unwrap();
        (0..3).for_each(|_| add(&spool));
        spool.acknowledge(id, 1).unwrap();
        let spool = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        assert_eq!(numbers(&spool), [2, 3]);
        spool.acknowledge(Uuid::now_v7(), 3).unwrap();
        assert_eq!(numbers(&spool), [2, 3], "another spool's numbers mean nothing here");
        spool.acknowledge(id, 3).unwrap();
        let spool = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        add(&spool);
        assert_eq!(numbers(&spool), [4]);
    }

    #[test]
    fn a_folder_that_was_restored_from_a_copy_tells_nothing_under_a_number_that_was_heard() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        let path = folder.path().join("events.jsonl");
        let spool = open();
        (0..2).for_each(|_| add(&spool));
        let copy = fs::read(&path).unwrap();
        (0..3).for_each(|_| add(&spool));
        let heard: Vec<(Uuid, u64)> =
            spool.inner().waiting.iter().map(|event| (event.spool, event.number)).collect();
        fs::write(&path, copy).unwrap();
        let restored = open();
        add(&restored);
        let told: Vec<(Uuid, u64)> =
            restored.inner().waiting.iter().map(|event| (event.spool, event.number)).collect();
        assert_eq!(told[..2], heard[..2], "what waited is told as it was");
        assert!(!heard.contains(&told[2]), "what is new is not taken for what was heard: {told:?}");
        restored.acknowledge(told[0].0, 2).unwrap();
        assert_eq!(numbers(&restored), [3]);
        restored.acknowledge(told[2].0, 3).unwrap();
        assert!(numbers(&open()).is_empty());
    }

    #[test]
    fn an_event_cut_short_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        (0..2).for_each(|_| add(&spool));
        let path = folder.path().join("events.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 10]).unwrap();
        let spool = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        assert_eq!(numbers(&spool), [1]);
        add(&spool);
        assert_eq!(numbers(&Spool::open(folder.path(), Uuid::now_v7()).unwrap()), [1, 2]);
    }
}
