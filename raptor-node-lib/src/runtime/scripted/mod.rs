//! An engine in memory, for tests, demonstrations and programs that embed a host without Docker.

mod answers;
mod fault;
mod link;
mod process;
mod script;

pub use fault::{Call, InjectedFault};
pub use script::Script;

use super::{Ended, Part, RuntimeError, in_flight::InFlight};
use link::Presence;
use process::{Order, ScriptedContainer};
use raptor_model::{clock::Clock, id::ContainerId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// An engine whose containers follow a [`Script`]: they print, end after a time, or ignore stop requests. The engine can go
/// away, answer late and refuse ([`InjectedFault`]), and its containers can be stopped and removed by hand. A `Host` on it is the
/// real one in everything but the engine: it stores its state, consoles and files on disk. No process is run and no firewall
/// rule is set.
///
/// Times are Tokio's, so that tests can pause them. Cheap to clone: all clones are the same engine. Use it within a Tokio
/// runtime.
#[derive(Clone)]
pub struct Scripted {
    shared: Arc<Shared>,
    instance: Uuid,
}

#[derive(Default)]
struct Shared {
    clock: Clock,
    kept: Mutex<Vec<Arc<ScriptedContainer>>>,
    /// The owner of each network, by name.
    networks: Mutex<HashMap<String, (Uuid, Option<ContainerId>)>>,
    lacking: Mutex<HashSet<String>>,
    scripts: Mutex<Scripts>,
    presence: Presence,
    faults: Mutex<VecDeque<(Call, InjectedFault)>>,
    starts: Mutex<HashMap<ContainerId, Starts>>,
    /// The ids of containers that were removed by hand while running: the engine remembers that it was told so.
    removed: Mutex<HashSet<String>>,
    in_flight: InFlight,
    made: AtomicU64,
}

#[derive(Default)]
struct Scripts {
    next: VecDeque<Script>,
    server: Script,
    installer: Script,
}

/// The starts of one container's process, not counting its installer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Starts {
    count: usize,
    /// The most that ran at the same time.
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
    /// once with exit code 0.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Clock::System)
    }

    /// Like [`Self::new`], with another clock.
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

    /// Sets the script of processes that are started from now on.
    pub fn runs(&self, script: Script) {
        locked(&self.shared.scripts).server = script;
    }

    /// Sets the script of the next process only. Repeated calls queue up.
    pub fn runs_next(&self, script: Script) {
        locked(&self.shared.scripts).next.push_back(script);
    }

    /// Sets the script of installers that are started from now on.
    pub fn installs(&self, script: Script) {
        locked(&self.shared.scripts).installer = script;
    }

    /// Removes an image, which can be pulled again.
    pub fn lacks(&self, image: &str) {
        locked(&self.shared.lacking).insert(image.to_owned());
    }

    /// Makes the next call of this kind fail. Repeated calls queue up, for one call each.
    pub fn inject(&self, call: Call, fault: InjectedFault) {
        locked(&self.shared.faults).push_back((call, fault));
    }

    /// Whether a queued fault has not happened yet.
    #[must_use]
    pub fn has_pending_faults(&self) -> bool {
        !locked(&self.shared.faults).is_empty()
    }

    /// Stops answering until [`Self::come_back`]. Containers keep running.
    pub fn go_away(&self) {
        self.shared.presence.go();
    }

    pub fn come_back(&self) {
        self.shared.presence.come_back();
    }

    #[must_use]
    pub fn is_away(&self) -> bool {
        self.shared.presence.is_away()
    }

    /// Prints a line as the container's process.
    pub fn print(&self, id: ContainerId, line: &str) {
        self.order(id, |_| Order::Print(format!("{line}\n")));
    }

    /// Makes the container's process exit with this code.
    pub fn exit(&self, id: ContainerId, code: i64) {
        self.order(id, |_| Order::End(Ended { code, out_of_memory: false }));
    }

    /// Kills the container's process by hand, like `docker kill`.
    pub fn kill_by_hand(&self, id: ContainerId) {
        self.order(id, |kept| {
            kept.state.send_modify(|state| state.told_to_end = true);
            Order::End(Ended { code: 137, out_of_memory: false })
        });
    }

    /// Removes the container by hand, together with its process.
    pub fn remove_by_hand(&self, id: ContainerId) {
        for kept in self.of(id) {
            if kept.runs() {
                locked(&self.shared.removed).extend([kept.engine_id.clone(), kept.name.clone()]);
            }
            self.shared.discard(&kept.engine_id);
        }
    }

    /// The number of the engine's containers for `id`, including its installer.
    #[must_use]
    pub fn count(&self, id: ContainerId) -> usize {
        self.of(id).len()
    }

    /// Whether a process of the container is running.
    #[must_use]
    pub fn is_running(&self, id: ContainerId) -> bool {
        self.of(id).iter().any(|kept| kept.runs())
    }

    /// How many processes of the container were started, not counting installers.
    #[must_use]
    pub fn starts(&self, id: ContainerId) -> usize {
        locked(&self.shared.starts).get(&id).map_or(0, |starts| starts.count)
    }

    /// The most processes of the container that ran at the same time, not counting installers.
    #[must_use]
    pub fn most_at_once(&self, id: ContainerId) -> usize {
        locked(&self.shared.starts).get(&id).map_or(0, |starts| starts.at_once)
    }

    fn of(&self, id: ContainerId) -> Vec<Arc<ScriptedContainer>> {
        locked(&self.shared.kept).iter().filter(|kept| kept.id == id).cloned().collect()
    }

    fn order(&self, id: ContainerId, order: impl Fn(&ScriptedContainer) -> Order) {
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
        let fault = self.shared.fault_of(call);
        if let Some(InjectedFault::Away) = fault {
            self.go_away();
        }
        self.shared.present()?;
        match fault {
            Some(InjectedFault::Late(time)) => {
                let shared = self.shared.clone();
                let late = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    shared.present()?;
                    work(&shared)
                });
                late.await.unwrap_or_else(|error| Err(RuntimeError::Away(error.to_string())))
            }
            Some(InjectedFault::AwayAfterwards) => {
                let _ = work(&self.shared);
                self.go_away();
                Err(away())
            }
            Some(InjectedFault::Refused(why)) => Err(RuntimeError::Refused(why)),
            Some(InjectedFault::Removed) => {
                self.shared.discard(name);
                work(&self.shared)
            }
            Some(InjectedFault::Away) | None => work(&self.shared),
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

    fn fault_of(&self, call: Call) -> Option<InjectedFault> {
        let mut faults = locked(&self.faults);
        let at = faults.iter().position(|(of, _)| *of == call)?;
        faults.remove(at).map(|(_, fault)| fault)
    }

    fn kept(&self, name: &str) -> Result<Arc<ScriptedContainer>, RuntimeError> {
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

    /// Starts the process of a created container. Does nothing if it is running.
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
            let running = |other: &&Arc<ScriptedContainer>| {
                other.id == kept.id && other.part == kept.part && other.runs()
            };
            let at_once = locked(&self.kept).iter().filter(running).count();
            let mut starts = locked(&self.starts);
            let starts = starts.entry(kept.id).or_default();
            (starts.count, starts.at_once) = (starts.count + 1, starts.at_once.max(at_once));
        }
        Ok(())
    }
}
