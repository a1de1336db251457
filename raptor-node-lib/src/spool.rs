//! What must reach the API: numbered events on disk until they are acknowledged.

use chrono::{DateTime, Utc};
use raptor_core::{
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

/// Events that wait at most; older ones are given up, which the log says.
const MAX_WAITING: usize = 20_000;

#[derive(Serialize, Deserialize)]
struct Head {
    spool: Uuid,
    /// The number of the newest event that is no longer in the file.
    before: u64,
}

struct Inner {
    id: Uuid,
    newest: u64,
    waiting: VecDeque<Happened>,
    /// Where appending failed, the whole file is written at the next occasion.
    torn: bool,
}

impl Inner {
    /// Counts from 1 again, under another id.
    fn begin_anew(&mut self, id: Uuid) {
        self.id = id;
        self.newest = 0;
        for event in &mut self.waiting {
            self.newest += 1;
            (event.spool, event.number) = (id, self.newest);
        }
    }
}

/// The events of one daemon.
pub(crate) struct Spool {
    path: PathBuf,
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

impl Spool {
    /// Opens what is in `folder`. `id` is that of a new one.
    ///
    /// # Errors
    /// When the folder can't be used.
    pub(crate) fn open(folder: &Path, id: Uuid) -> io::Result<Self> {
        let path = folder.join("events.jsonl");
        let mut lines = match File::open(&path) {
            Ok(file) => BufReader::new(file).lines().map_while(Result::ok).collect::<Vec<_>>().into_iter(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new().into_iter(),
            Err(error) => return Err(error),
        };
        let head = lines.next().and_then(|line| serde_json::from_str::<Head>(&line).ok());
        let head = head.unwrap_or(Head { spool: id, before: 0 });
        // A line that was cut short by a crash is the last one; its event was never told to anybody.
        let waiting: VecDeque<Happened> = lines.map_while(|line| serde_json::from_str(&line).ok()).collect();
        let newest = waiting.back().map_or(head.before, |event| event.number);
        let inner = Inner { id: head.spool, newest, waiting, torn: true };
        let spool = Self { path, inner: Mutex::new(inner), newest: watch::Sender::new(newest) };
        spool.rewrite(&mut spool.inner())?;
        Ok(spool)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. On disk before anybody is told.
    pub(crate) fn add(&self, at: DateTime<Utc>, id: ContainerId, what: Happening) {
        let mut inner = self.inner();
        inner.newest += 1;
        let event = Happened { spool: inner.id, number: inner.newest, at, id, what };
        if inner.waiting.len() >= MAX_WAITING {
            tracing::error!("no API has taken {MAX_WAITING} events; the oldest is given up");
            inner.waiting.pop_front();
            inner.torn = true;
        }
        inner.waiting.push_back(event.clone());
        let kept = if inner.torn { self.rewrite(&mut inner) } else { self.append(&event) };
        if let Err(error) = kept {
            inner.torn = true;
            tracing::error!(%error, "an event is kept in memory only");
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
        let mut text = serde_json::to_vec(&Head { spool: inner.id, before })?;
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

    /// Forgets the events of `spool` up to `number`. A number that was never given says that this folder is a copy from before:
    /// what happened since then has numbers that are taken for known. Then another spool begins, with all that waits.
    ///
    /// # Errors
    /// When the disk refuses: they are told again after a restart.
    pub(crate) fn acknowledge(&self, spool: Uuid, number: u64) -> io::Result<()> {
        let mut inner = self.inner();
        if spool != inner.id {
            return Ok(());
        }
        if number > inner.newest {
            tracing::warn!(
                number,
                newest = inner.newest,
                "the daemon's folder is older than what the API knows of it: its events are told as new ones"
            );
            inner.begin_anew(Uuid::now_v7());
            self.rewrite(&mut inner)?;
            self.newest.send_replace(inner.newest);
            return Ok(());
        }
        let before = inner.waiting.len();
        inner.waiting.retain(|event| event.number > number);
        if inner.waiting.len() == before { Ok(()) } else { self.rewrite(&mut inner) }
    }

    /// The oldest event that waits after the one that was told last, given by its spool and number. Of another spool, all are.
    pub(crate) fn after(&self, told: Option<(Uuid, u64)>) -> Option<Happened> {
        let inner = self.inner();
        let after = told.filter(|(spool, _)| *spool == inner.id).map_or(0, |(_, number)| number);
        inner.waiting.iter().find(|event| event.number > after).cloned()
    }

    /// The number of the newest event, as it grows.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(spool: &Spool) -> Vec<u64> {
        let (mut told, mut numbers) = (None, Vec::new());
        while let Some(event) = spool.after(told) {
            told = Some((event.spool, event.number));
            numbers.push(event.number);
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
    fn a_spool_that_went_back_begins_anew_and_tells_all_that_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, events) = (folder.path().join("copy"), folder.path().join("events.jsonl"));
        let id = Uuid::now_v7();
        let spool = Spool::open(folder.path(), id).unwrap();
        (0..3).for_each(|_| add(&spool));
        spool.acknowledge(id, 3).unwrap();
        fs::copy(&events, &copy).unwrap();
        (0..5).for_each(|_| add(&spool));
        spool.acknowledge(id, 8).unwrap();
        drop(spool);
        fs::copy(&copy, &events).unwrap();
        let spool = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        (0..2).for_each(|_| add(&spool));
        let told = spool.after(None).map(|event| (event.spool, event.number));
        assert_eq!(told, Some((id, 4)), "a number that the API takes for known");
        // What it says when the link is there.
        spool.acknowledge(id, 8).unwrap();
        let again = spool.after(told).unwrap();
        assert!(again.spool != id && again.number == 1, "whoever was told under the old id is told again");
        assert_eq!(numbers(&spool), [1, 2]);
        spool.acknowledge(id, 8).unwrap();
        let opened = Spool::open(folder.path(), Uuid::now_v7()).unwrap();
        assert_eq!((numbers(&opened), opened.after(None).unwrap().spool), (vec![1, 2], again.spool));
        opened.acknowledge(again.spool, 2).unwrap();
        assert_eq!(numbers(&opened), [] as [u64; 0]);
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
