//! Background operations: they run on their own, report progress and can be cancelled.

use super::{Workspace, unpack::Unpacking};
use crate::files::{FileError, FilePath, FileResult};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::{
    id::ContainerId,
    node::files::{FileTask, LeftOut, Operation, OperationState},
};
use raptor_outbound::Outbound;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a finished operation is listed.
pub(super) const LISTED: TimeDelta = TimeDelta::hours(1);
/// Most operations of one container running at the same time.
const MAX_RUNNING: usize = 4;
/// Most requests at the same time that read one folder or text, per container and in total.
const MAX_READINGS: usize = 2;
const MAX_READINGS_HERE: usize = 16;
/// Most requests at the same time that read a whole tree, which may take many seconds, per container and in total. They have
/// slots of their own, so that no listing waits for somebody's search.
const MAX_SURVEYS: usize = 1;
const MAX_SURVEYS_HERE: usize = 8;
/// Most edited texts received and saved at the same time, per container and in total: each is held in memory.
const MAX_SAVINGS: usize = 2;
const MAX_SAVINGS_HERE: usize = 8;
/// How long such a request waits for a slot.
const SLOT_TIMEOUT: Duration = Duration::from_secs(20);
/// Most entries that are named if some were left out, and the most characters of a name.
const MAX_LEFT_OUT: usize = 100;
const MAX_NAME: usize = 500;
/// Most operations listed per container.
const MAX_LISTED: usize = 100;

/// The operations of all containers.
pub(crate) struct AllOperations {
    all: Mutex<HashMap<ContainerId, Arc<Operations>>>,
    outbound: Outbound,
    here: ConcurrencyLimits,
}

/// The kinds of requests with limited concurrency.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestKind {
    /// Reads one folder or text.
    Read,
    /// Reads a whole tree.
    Survey,
    /// Receives and saves an edited text.
    Save,
}

/// How many requests of a kind may run at the same time.
struct ConcurrencyLimits {
    readings: Arc<Semaphore>,
    surveys: Arc<Semaphore>,
    savings: Arc<Semaphore>,
}

impl ConcurrencyLimits {
    fn new(readings: usize, surveys: usize, savings: usize) -> Self {
        let [readings, surveys, savings] =
            [readings, surveys, savings].map(|most| Arc::new(Semaphore::new(most)));
        Self { readings, surveys, savings }
    }

    fn of(&self, kind: RequestKind) -> Arc<Semaphore> {
        match kind {
            RequestKind::Read => &self.readings,
            RequestKind::Survey => &self.surveys,
            RequestKind::Save => &self.savings,
        }
        .clone()
    }
}

/// A request's slot, released when dropped.
pub(crate) struct RequestSlot {
    _own: OwnedSemaphorePermit,
    _here: OwnedSemaphorePermit,
}

impl AllOperations {
    /// With the client for fetching files.
    pub(crate) fn new(outbound: Outbound) -> Self {
        let here = ConcurrencyLimits::new(MAX_READINGS_HERE, MAX_SURVEYS_HERE, MAX_SAVINGS_HERE);
        Self { all: Mutex::default(), outbound, here }
    }

    pub(crate) fn of(&self, id: ContainerId) -> Arc<Operations> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Operations { outbound: self.outbound.clone(), ..Operations::default() });
        all.entry(id).or_insert_with(new).clone()
    }

    /// Waits up to 20 seconds for a slot. A container has few, so that it can't use up those of the host.
    ///
    /// # Errors
    /// [`FileError::Busy`] if none becomes free in time.
    pub(crate) async fn turn(&self, id: ContainerId, kind: RequestKind) -> FileResult<RequestSlot> {
        self.turn_within(id, kind, SLOT_TIMEOUT).await
    }

    async fn turn_within(
        &self,
        id: ContainerId,
        kind: RequestKind,
        patience: Duration,
    ) -> FileResult<RequestSlot> {
        let operations = self.of(id);
        let wait = async {
            let own = operations.limits.of(kind).acquire_owned().await.ok()?;
            Some(RequestSlot { _own: own, _here: self.here.of(kind).acquire_owned().await.ok()? })
        };
        tokio::time::timeout(patience, wait).await.ok().flatten().ok_or(FileError::Busy)
    }

    /// Cancels all operations of a container that is being removed.
    pub(crate) fn forget(&self, id: ContainerId) {
        let gone = self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        for running in gone.iter().flat_map(|operations| operations.list()) {
            running.progress.cancel.cancel();
        }
    }
}

/// The operations of one container.
pub(crate) struct Operations {
    all: Mutex<Vec<Arc<Running>>>,
    replacing: Mutex<()>,
    recovered: OnceLock<()>,
    limits: ConcurrencyLimits,
    pub(super) outbound: Outbound,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            replacing: Mutex::default(),
            recovered: OnceLock::default(),
            limits: ConcurrencyLimits::new(MAX_READINGS, MAX_SURVEYS, MAX_SAVINGS),
            outbound: Outbound::default(),
        }
    }
}

/// When an operation ended, its state, and why it failed.
type End = (DateTime<Utc>, OperationState, Option<String>);

pub(super) struct Running {
    pub(super) id: Uuid,
    task: FileTask,
    by: String,
    started_at: DateTime<Utc>,
    ended: Mutex<Option<End>>,
    pub(super) progress: Progress,
}

/// The progress of an operation, updated by the thread that runs it.
#[derive(Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    total: AtomicU64,
    files: AtomicU64,
    /// The first entries that were left out, and the total number of them.
    left_out: Mutex<(Vec<LeftOut>, u64)>,
    pub(super) cancel: CancellationToken,
}

impl Progress {
    /// Adds processed bytes. Fails if the operation was cancelled.
    pub(super) fn bytes(&self, bytes: u64) -> FileResult<()> {
        self.bytes.fetch_add(bytes, Relaxed);
        if self.cancel.is_cancelled() { Err(FileError::Cancelled) } else { Ok(()) }
    }

    /// Adds a processed file. Fails if the operation was cancelled.
    pub(super) fn file(&self) -> FileResult<()> {
        self.files.fetch_add(1, Relaxed);
        self.bytes(0)
    }

    /// Records an entry that was left out.
    pub(super) fn leave_out(&self, name: &str, why: &str) {
        let mut left = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left.1 += 1;
        if left.0.len() < MAX_LEFT_OUT {
            let name = name.chars().take(MAX_NAME).collect();
            left.0.push(LeftOut { name, why: why.to_owned() });
        }
    }

    pub(super) fn left_out(&self) -> (Vec<LeftOut>, u64) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the total number of bytes.
    pub(super) fn total(&self, bytes: u64) {
        self.total.store(bytes, Relaxed);
    }
}

impl Running {
    /// An operation that has ended, to be listed.
    pub(super) fn ended(shown: Operation) -> Self {
        let progress = Progress {
            bytes: shown.done_bytes.into(),
            total: shown.total_bytes.unwrap_or(0).into(),
            files: shown.done_files.into(),
            left_out: Mutex::new((shown.left_out, shown.left_out_count)),
            cancel: CancellationToken::new(),
        };
        let end = shown.ended_at.map(|at| (at, shown.state, shown.problem));
        Self {
            id: shown.id,
            task: shown.task,
            by: shown.started_by,
            started_at: shown.started_at,
            ended: Mutex::new(end),
            progress,
        }
    }

    fn view(&self) -> Operation {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (ended_at, state, problem) = match ended {
            Some((at, state, problem)) => (Some(at), state, problem),
            None => (None, OperationState::Running, None),
        };
        let total = self.progress.total.load(Relaxed);
        let (left_out, left_out_count) = self.progress.left_out();
        Operation {
            id: self.id,
            task: self.task.clone(),
            started_by: self.by.clone(),
            started_at: self.started_at,
            ended_at,
            state,
            problem,
            done_bytes: self.progress.bytes.load(Relaxed),
            total_bytes: (total > 0).then_some(total),
            done_files: self.progress.files.load(Relaxed),
            left_out,
            left_out_count,
        }
    }

    fn runs(&self) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn end(&self, at: DateTime<Utc>, result: FileResult<()>) {
        let (state, problem) = match result {
            Ok(()) => (OperationState::Done, None),
            Err(FileError::Cancelled) => (OperationState::Cancelled, None),
            Err(error) => (OperationState::Failed, Some(error.to_string())),
        };
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, state, problem));
    }
}

impl Operations {
    fn list(&self) -> Vec<Arc<Running>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds the operations that the previous daemon left, unless that was done before.
    pub(super) fn recover_once(&self, recover: impl FnOnce() -> Vec<Arc<Running>>) {
        self.recovered.get_or_init(|| {
            *self.all.lock().unwrap_or_else(PoisonError::into_inner) = recover();
        });
    }

    /// The lock for checking and replacing a file.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.replacing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self, now: DateTime<Utc>) -> Vec<Operation> {
        let mut items: Vec<_> = self.list().iter().map(|running| running.view()).collect();
        items.retain(|item| item.ended_at.is_none_or(|at| now - at < LISTED));
        items.reverse();
        items
    }

    /// Cancels a running operation, or forgets one that has ended. Returns whether it was running.
    fn cancel(&self, id: Uuid) -> FileResult<bool> {
        let mut running = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = running.iter().find(|one| one.id == id).ok_or(FileError::NotFound)?.clone();
        let runs = found.runs();
        if runs {
            found.progress.cancel.cancel();
        } else {
            running.retain(|one| one.id != id);
        }
        Ok(runs)
    }

    fn add(&self, one: Arc<Running>) -> FileResult<()> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().filter(|one| one.runs()).count() >= MAX_RUNNING {
            return Err(FileError::TooMuch(format!(
                "{MAX_RUNNING} operations are running already. Wait for one to end, or cancel it."
            )));
        }
        while all.len() >= MAX_LISTED
            && let Some(old) = all.iter().position(|one| !one.runs())
        {
            all.remove(old);
        }
        all.push(one);
        Ok(())
    }
}

impl Workspace {
    /// Starts an operation on a thread of its own.
    pub(super) fn start(&self, task: FileTask, by: &str) -> FileResult<Operation> {
        let running = Arc::new(Running {
            id: Uuid::now_v7(),
            task: task.clone(),
            by: by.to_owned(),
            started_at: self.clock.now(),
            ended: Mutex::default(),
            progress: Progress::default(),
        });
        self.operations.add(running.clone())?;
        let shown = running.view();
        self.note_running(&shown);
        let workspace = self.clone();
        tokio::task::spawn_blocking(move || {
            let result = workspace.run(task, &running.progress);
            workspace.forget_running(running.id);
            running.end(workspace.clock.now(), result);
        });
        Ok(shown)
    }

    /// Cancels an operation; one that has ended is forgotten, on disk as well.
    pub(super) fn cancel(&self, id: Uuid) -> FileResult<()> {
        if !self.operations.cancel(id)? {
            self.forget_running(id);
        }
        Ok(())
    }

    /// Running and recent operations, except for those on files that are hidden from the caller.
    pub(super) fn operations_shown(&self) -> Vec<Operation> {
        let mut items = self.operations.all(self.clock.now());
        items.retain(|item| match &item.task {
            FileTask::Copy { copies } => {
                copies.iter().all(|copy| self.may_name(&copy.from) && self.may_name(&copy.to))
            }
            FileTask::Delete { paths } => paths.iter().all(|path| self.may_name(path)),
            FileTask::Archive { paths, to, .. } => {
                self.may_name(to) && paths.iter().all(|path| self.may_name(path))
            }
            FileTask::Extract { path, into, .. } => self.may_name(path) && self.may_name(into),
            FileTask::Pull { into, .. } => self.may_name(into),
        });
        items
    }

    fn may_name(&self, path: &FilePath) -> bool {
        self.root.check(path).is_ok()
    }

    pub(super) fn run(&self, task: FileTask, progress: &Progress) -> FileResult<()> {
        match task {
            FileTask::Copy { copies } => self.copy_all(&copies, progress),
            FileTask::Delete { paths } => {
                super::enough(paths.len())?;
                for path in paths {
                    self.root
                        .remove_tree(&path, |freed| progress.bytes(freed).and(progress.file()).is_ok())?;
                }
                Ok(())
            }
            FileTask::Archive { paths, to, format } => self.archive(&paths, &to, format, progress),
            FileTask::Extract { path, into, existing, encoding } => {
                let (path, into, encoding) = (&path, &into, encoding.as_deref());
                self.extract(&Unpacking { path, into, existing, encoding }, progress)
            }
            FileTask::Pull { url, into, name } => self.pull(&url, &into, name.as_deref(), progress),
        }
    }
}

#[cfg(test)]
#[path = "tests/turns.rs"]
mod turns;
