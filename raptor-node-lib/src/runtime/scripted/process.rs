//! A container of the scripted engine and its process.

use super::{
    link::Link,
    script::{Act, Script},
};
use crate::runtime::{Attached, Ended, EngineContainer, Part, Stdin};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use raptor_model::{containers::Limits, id::ContainerId, node::PortBinding, templates::StopRule};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use uuid::Uuid;

/// A container of the scripted engine.
pub(super) struct ScriptedContainer {
    pub(super) engine_id: String,
    pub(super) name: String,
    pub(super) id: ContainerId,
    pub(super) part: Part,
    pub(super) instance: Uuid,
    pub(super) title: String,
    pub(super) image: String,
    pub(super) data: PathBuf,
    pub(super) ports: Vec<PortBinding>,
    pub(super) stop: StopRule,
    pub(super) limits: Mutex<Limits>,
    /// All output of its process.
    log: Mutex<Vec<u8>>,
    pub(super) state: watch::Sender<State>,
    orders: mpsc::UnboundedSender<Order>,
    taken: Mutex<Option<mpsc::UnboundedReceiver<Order>>>,
}

/// The state of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) life: Phase,
    /// Bytes of output.
    written: usize,
    pub(super) started_at: Option<DateTime<Utc>>,
    /// Whether the engine was told to end its process.
    pub(super) told_to_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Running,
    Ended(Ended),
    Removed,
}

/// What can be sent to a process.
pub(super) enum Order {
    Typed(Bytes),
    AskedToStop,
    Print(String),
    End(Ended),
}

/// What a container is created from.
pub(super) struct NewContainer {
    pub(super) engine_id: String,
    pub(super) name: String,
    pub(super) id: ContainerId,
    pub(super) part: Part,
    pub(super) instance: Uuid,
    pub(super) title: String,
    pub(super) image: String,
    pub(super) data: PathBuf,
    pub(super) ports: Vec<PortBinding>,
    pub(super) stop: StopRule,
    pub(super) limits: Limits,
}

impl ScriptedContainer {
    pub(super) fn new(made: NewContainer) -> Self {
        let NewContainer { engine_id, name, id, part, instance, title, image, data, ports, stop, limits } =
            made;
        let (orders, taken) = mpsc::unbounded_channel();
        let state = State { life: Phase::Created, written: 0, started_at: None, told_to_end: false };
        Self {
            engine_id,
            name,
            id,
            part,
            instance,
            title,
            image,
            data,
            ports,
            stop,
            limits: Mutex::new(limits),
            log: Mutex::default(),
            state: watch::Sender::new(state),
            orders,
            taken: Mutex::new(Some(taken)),
        }
    }

    pub(super) fn life(&self) -> Phase {
        self.state.borrow().life
    }

    pub(super) fn runs(&self) -> bool {
        self.life() == Phase::Running
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.engine_id == name || self.name == name
    }

    /// The container as the daemon `instance` sees it.
    pub(super) fn tell(&self, instance: Uuid) -> EngineContainer {
        let runs = self.runs();
        EngineContainer {
            engine_id: self.engine_id.clone(),
            name: self.name.clone(),
            id: self.id,
            part: self.part,
            runs,
            ours: self.instance == instance,
            title: self.title.clone(),
            ports: if runs { self.ports.clone() } else { Vec::new() },
            address: None,
        }
    }

    /// Starts its process. Does nothing if it was started before, as with Docker.
    pub(super) fn start(self: &Arc<Self>, script: Script, at: DateTime<Utc>) {
        let Some(orders) = self.taken.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.state.send_modify(|state| (state.life, state.started_at) = (Phase::Running, Some(at)));
        tokio::spawn(self.clone().run(script, orders));
    }

    /// Sends something to the process; without a process it is lost.
    pub(super) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Removes it together with its process.
    pub(super) fn remove(&self) {
        self.state.send_modify(|state| state.life = Phase::Removed);
    }

    fn print(&self, text: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // Terminals end lines with CRLF.
        log.extend_from_slice(text.replace('\n', "\r\n").as_bytes());
        let written = log.len();
        self.state.send_modify(|state| state.written = written);
    }

    async fn run(self: Arc<Self>, script: Script, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Script { mut acts, ignores_stop, stop_takes, stop_code } = script;
        let asked = Ended { code: stop_code, out_of_memory: false };
        let mut end_at: Option<(Instant, Ended)> = None;
        let mut next_at = Instant::now();
        let mut removed = self.state.subscribe();
        loop {
            let (due, end) = (!acts.is_empty(), end_at);
            tokio::select! {
                biased;
                _ = removed.wait_for(|state| state.life == Phase::Removed) => return,
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::End(ended)) => return self.end(ended),
                    Some(Order::Print(text)) => self.print(&text),
                    Some(Order::AskedToStop) => ask(&mut end_at, ignores_stop, stop_takes, asked),
                    Some(Order::Typed(bytes)) => {
                        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                        // Terminals echo input.
                        self.print(&format!("{line}\n"));
                        match &self.stop {
                            StopRule::Command { command } if *command == line => {
                                ask(&mut end_at, ignores_stop, stop_takes, asked);
                            }
                            _ => self.print(&format!("got {line}\n")),
                        }
                    }
                },
                () = tokio::time::sleep_until(end.map_or(next_at, |(at, _)| at)), if end.is_some() => {
                    return self.end(end.map_or(asked, |(_, ended)| ended));
                }
                () = tokio::time::sleep_until(next_at), if due => match acts.pop_front() {
                    Some(Act::Print(text)) => self.print(&text),
                    Some(Act::Wait(time)) => next_at = Instant::now() + time,
                    Some(Act::Exit { code, out_of_memory }) => return self.end(Ended { code, out_of_memory }),
                    None => {}
                },
            }
        }
    }

    fn end(&self, ended: Ended) {
        self.state.send_if_modified(|state| {
            let ran = state.life == Phase::Running;
            if ran {
                state.life = Phase::Ended(ended);
            }
            ran
        });
    }

    /// Returns once its process has ended, or the container is removed.
    pub(super) async fn ended(&self) {
        let ended = |state: &State| matches!(state.life, Phase::Ended(_) | Phase::Removed);
        let _ = self.state.subscribe().wait_for(ended).await;
    }

    /// All past and future output from byte `from` on, for as long as the connection `link` lasts.
    pub(super) fn output(self: &Arc<Self>, from: usize, link: Link) -> BoxStream<'static, Bytes> {
        let state = self.state.subscribe();
        let reader = (self.clone(), from, state, link);
        stream::unfold(reader, |(kept, from, mut state, mut link)| async move {
            loop {
                let over = matches!(state.borrow_and_update().life, Phase::Ended(_) | Phase::Removed);
                if link.is_cut() {
                    return None;
                }
                let chunk = kept.read(from);
                if !chunk.is_empty() {
                    let from = from + chunk.len();
                    return Some((chunk, (kept, from, state, link)));
                }
                if over {
                    return None;
                }
                tokio::select! {
                    changed = state.changed() => changed.ok()?,
                    () = link.cut() => return None,
                }
            }
        })
        .boxed()
    }

    fn read(&self, from: usize) -> Bytes {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.get(from..).map(Bytes::copy_from_slice).unwrap_or_default()
    }

    pub(super) fn attached(self: &Arc<Self>, from: usize, link: Link) -> Attached {
        let stdin = Terminal { kept: self.clone(), link: link.clone(), last: None };
        Attached { output: self.output(from, link), stdin: Box::new(stdin) }
    }
}

fn ask(end_at: &mut Option<(Instant, Ended)>, ignores: bool, takes: std::time::Duration, ended: Ended) {
    if !ignores && end_at.is_none() {
        *end_at = Some((Instant::now() + takes, ended));
    }
}

/// The input of a scripted process.
struct Terminal {
    kept: Arc<ScriptedContainer>,
    link: Link,
    /// The last write, if it did not arrive.
    last: Option<Bytes>,
}

#[async_trait]
impl Stdin for Terminal {
    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.link.is_cut() || !self.kept.runs() {
            self.last = Some(bytes);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.last = None;
        self.kept.order(Order::Typed(bytes));
        Ok(())
    }

    fn undelivered(self: Box<Self>) -> Option<Bytes> {
        self.last
    }
}
