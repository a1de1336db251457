//! An engine in memory, for tests, demonstrations and programs that embed a host without Docker.

mod answers;
mod link;
mod process;
mod script;
mod trouble;

pub use script::Script;
pub use trouble::{Call, Trouble};

use super::{Ended, Part, RuntimeError, making::Making};
use link::Presence;
use process::{Kept, Order};
use raptor_model::{clock::Clock, id::ContainerId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// An engine whose containers do what a [`Script`] says: print, end after a time, ignore that they are asked to stop. It can go
/// away, answer late and refuse ([`Trouble`]), and its containers can be stopped and removed by hand. A `Host` on it is the real
/// one in all but the engine: it keeps its state, consoles and files on disk. Nothing is run, no rule of a firewall is set.
///
/// Times are tokio's, so that tests can pause them. Cheap to clone: all clones are the same engine. Has to be used inside a tokio
/// runtime.
#[derive(Clone)]
pub struct Scripted {
    shared: Arc<Shared>,
    instance: Uuid,
}

#[derive(Default)]
struct Shared {
    clock: Clock,
    kept: Mutex<Vec<Arc<Kept>>>,
    /// By name, with whose they are.
    networks: Mutex<HashMap<String, (Uuid, Option<ContainerId>)>>,
    lacking: Mutex<HashSet<String>>,
    scripts: Mutex<Scripts>,
    presence: Presence,
    troubles: Mutex<VecDeque<(Call, Trouble)>>,
    starts: Mutex<HashMap<ContainerId, Starts>>,
    /// The ids of containers that were removed by hand while they ran: the engine remembers that it was told so.
    removed: Mutex<HashSet<String>>,
    making: Making,
    made: AtomicU64,
}

#[derive(Default)]
struct Scripts {
    next: VecDeque<Script>,
    server: Script,
    installer: Script,
}

/// The starts of one container's processes, without its installer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Starts {
    count: usize,
    /// How many ran at the same time at most.
    at_once: usize,
}

impl Default for Scripted {
    fn default() -> Self {
        Self::new()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scripted {
    /// An engine that has every image. Its containers print `ready` and run until they are asked to stop; its installers end at
    /// once with code 0.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Clock::System)
    }

    /// The same, with the time from `clock`.
    #[must_use]
    pub fn at(clock: Clock) -> Self {
        let scripts = Scripts {
            next: VecDeque::new(),
            server: Script::new().print("ready"),
            installer: Script::new().print("installed").exit(0),
        };
        let shared = Shared { clock, scripts: Mutex::new(scripts), ..Shared::default() };
        Self { shared: Arc::new(shared), instance: Uuid::nil() }
    }

    /// What processes do from their next start on.
    pub fn runs(&self, script: Script) {
        locked(&self.shared.scripts).server = script;
    }

    /// What the process does that is started next. Called again, the one after that.
    pub fn runs_next(&self, script: Script) {
        locked(&self.shared.scripts).next.push_back(script);
    }

    /// What installers do from their next start on.
    pub fn installs(&self, script: Script) {
        locked(&self.shared.scripts).installer = script;
    }

    /// Forgets an image, which can be pulled again.
    pub fn lacks(&self, image: &str) {
        locked(&self.shared.lacking).insert(image.to_owned());
    }

    /// Has the next call of this kind fail so. Several wait for one call each, in their order.
    pub fn trouble(&self, call: Call, trouble: Trouble) {
        locked(&self.shared.troubles).push_back((call, trouble));
    }

    /// Whether a trouble still waits for its call.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        !locked(&self.shared.troubles).is_empty()
    }

    /// Answers no more, until it comes back. What runs in it goes on.
    pub fn go_away(&self) {
        self.shared.presence.go();
    }

    /// Answers again.
    pub fn come_back(&self) {
        self.shared.presence.come_back();
    }

    /// Whether it does not answer.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.shared.presence.is_away()
    }

    /// Writes a line as the container's process.
    pub fn print(&self, id: ContainerId, line: &str) {
        self.order(id, |_| Order::Print(format!("{line}\n")));
    }

    /// Ends the container's process with this exit code, by itself.
    pub fn exit(&self, id: ContainerId, code: i64) {
        self.order(id, |_| Order::End(Ended { code, out_of_memory: false }));
    }

    /// Stops the container's process by hand, as `docker kill` does.
    pub fn kill_by_hand(&self, id: ContainerId) {
        self.order(id, |kept| {
            kept.state.send_modify(|state| state.told_to_end = true);
            Order::End(Ended { code: 137, out_of_memory: false })
        });
    }

    /// Removes the container by hand, with what runs in it.
    pub fn remove_by_hand(&self, id: ContainerId) {
        for kept in self.of(id) {
            if kept.runs() {
                locked(&self.shared.removed).extend([kept.engine_id.clone(), kept.name.clone()]);
            }
            self.shared.discard(&kept.engine_id);
        }
    }

    /// How many of its containers belong to `id`, its installer included.
    #[must_use]
    pub fn count(&self, id: ContainerId) -> usize {
        self.of(id).len()
    }

    /// Whether a process of the container runs.
    #[must_use]
    pub fn is_running(&self, id: ContainerId) -> bool {
        self.of(id).iter().any(|kept| kept.runs())
    }

    /// How many processes of the container were started, without those that installed it.
    #[must_use]
    pub fn starts(&self, id: ContainerId) -> usize {
        locked(&self.shared.starts).get(&id).map_or(0, |starts| starts.count)
    }

    /// How many processes of the container ran at the same time at most, without those that installed it.
    #[must_use]
    pub fn most_at_once(&self, id: ContainerId) -> usize {
        locked(&self.shared.starts).get(&id).map_or(0, |starts| starts.at_once)
    }

    fn of(&self, id: ContainerId) -> Vec<Arc<Kept>> {
        locked(&self.shared.kept).iter().filter(|kept| kept.id == id).cloned().collect()
    }

    fn order(&self, id: ContainerId, order: impl Fn(&Kept) -> Order) {
        for kept in self.of(id).into_iter().filter(|kept| kept.runs()) {
            let order = order(&kept);
            kept.order(order);
        }
    }

    /// Runs a call with the faults scripted for it. Once started, it completes even if the caller is cancelled.
    async fn answer<T: Send + 'static>(
        &self,
        call: Call,
        name: &str,
        work: impl FnOnce(&Shared) -> Result<T, RuntimeError> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let trouble = self.shared.trouble_of(call);
        if let Some(Trouble::Away) = trouble {
            self.go_away();
        }
        self.shared.present()?;
        match trouble {
            Some(Trouble::Late(time)) => {
                let shared = self.shared.clone();
                let late = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    shared.present()?;
                    work(&shared)
                });
                late.await.unwrap_or_else(|error| Err(RuntimeError::Away(error.to_string())))
            }
            Some(Trouble::AwayAfterwards) => {
                let _ = work(&self.shared);
                self.go_away();
                Err(away())
            }
            Some(Trouble::Refused(why)) => Err(RuntimeError::Refused(why)),
            Some(Trouble::Removed) => {
                self.shared.discard(name);
                work(&self.shared)
            }
            Some(Trouble::Away) | None => work(&self.shared),
        }
    }
}

fn away() -> RuntimeError {
    RuntimeError::Away("the engine is away".into())
}

impl Shared {
    fn present(&self) -> Result<(), RuntimeError> {
        if self.presence.is_away() { Err(away()) } else { Ok(()) }
    }

    fn trouble_of(&self, call: Call) -> Option<Trouble> {
        let mut troubles = locked(&self.troubles);
        let at = troubles.iter().position(|(of, _)| *of == call)?;
        troubles.remove(at).map(|(_, trouble)| trouble)
    }

    fn kept(&self, name: &str) -> Result<Arc<Kept>, RuntimeError> {
        locked(&self.kept).iter().find(|kept| kept.is(name)).cloned().ok_or(RuntimeError::NotFound)
    }

    fn discard(&self, name: &str) {
        locked(&self.kept).retain(|kept| {
            let gone = kept.is(name);
            if gone {
                kept.remove();
            }
            !gone
        });
    }

    fn next_id(&self) -> String {
        format!("{:064x}", self.made.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Starts the process of a container that was created; one that runs is left as it is.
    fn start(&self, name: &str) -> Result<(), RuntimeError> {
        let kept = self.kept(name)?;
        if kept.runs() {
            return Ok(());
        }
        let script = {
            let mut scripts = locked(&self.scripts);
            match kept.part {
                Part::Installer => scripts.installer.clone(),
                Part::Server => scripts.next.pop_front().unwrap_or_else(|| scripts.server.clone()),
            }
        };
        kept.start(script, self.clock.now());
        if kept.part == Part::Server {
            let running = |other: &&Arc<Kept>| other.id == kept.id && other.part == kept.part && other.runs();
            let at_once = locked(&self.kept).iter().filter(running).count();
            let mut starts = locked(&self.starts);
            let starts = starts.entry(kept.id).or_default();
            (starts.count, starts.at_once) = (starts.count + 1, starts.at_once.max(at_once));
        }
        Ok(())
    }
}
