//! Daemons on other machines, over HTTP and WebSocket.

mod errors;
#[cfg(test)]
mod tests;

use super::{Transport, diagnosis::Place};
use crate::{
    id::ContainerId,
    node::{
        ConsoleExport, Download, HostMessage, LiveFrame, LiveParts, Node, NodeError, NodeEvent,
        OLDEST_PROTOCOL, Since, SystemInfo,
        files::{Body, FileAnswer, FileContent, FileHead, FileRead, FileWrite, Scoped},
        requests::{
            GetSystem, Handler, Input, LinkRequest, LiveQuery, Method, Patience, Reply, Request, Route,
            Target,
        },
        tolerant::{self, Noticed, Understood, UnknownPart},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::BoxStream};
use raptor_client::{Content, DaemonClient, Outbox, SocketError, StatusCode, Trust};
use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// How long an action is valid, and how long to wait for its answer. The panel waits 15 seconds for the API's.
const ORDER_PATIENCE: Duration = Duration::from_secs(10);

/// A daemon behind an address.
pub struct RemoteNode {
    client: RwLock<Arc<Client>>,
    transport: Transport,
    key: String,
    address: String,
    /// The sending side of the open link.
    link: tokio::sync::Mutex<Option<Outbox>>,
    /// The host's clock, and when it was received.
    time: Arc<Mutex<Option<Heard>>>,
    /// The version of the protocol that is spoken with the daemon, as it last said; 0 before that.
    spoken: AtomicU32,
    /// What the daemon says and this version does not understand.
    noticed: Arc<Noticed>,
}

/// The HTTP client for the daemon.
struct Client {
    http: DaemonClient,
    transport: Transport,
}

impl Client {
    fn new(address: &str, transport: Transport, key: &str) -> Result<Self, NodeError> {
        let trust = match transport {
            Transport::Pinned => Trust::Key,
            Transport::Certificate | Transport::Plain | Transport::Upgrading => Trust::Authorities,
        };
        let secure = match transport {
            Transport::Pinned | Transport::Certificate => "s",
            Transport::Plain | Transport::Upgrading => "",
        };
        let base = format!("http{secure}://{address}/api/v1");
        let http = DaemonClient::new(&base, key, trust);
        let http = http.map_err(|error| NodeError::Invalid(error.to_string()))?;
        Ok(Self { http, transport })
    }

    /// The body of the answer to a request.
    async fn ask<R: Route>(&self, target: R::Target, request: &R) -> Result<Bytes, SocketError> {
        let operation = R::OPERATION;
        let method = match operation.method {
            Method::Get => raptor_client::Method::GET,
            Method::Put => raptor_client::Method::PUT,
            Method::Post => raptor_client::Method::POST,
            Method::Delete => raptor_client::Method::DELETE,
        };
        let patience = match operation.patience {
            Patience::Order | Patience::Short => raptor_client::Patience::Short,
            Patience::Long => raptor_client::Patience::Long,
        };
        // Statuses are constants.
        let expected = StatusCode::from_u16(operation.reply.status()).unwrap_or_default();
        self.http.ask(method, &path::<R>(target), input(request), patience, expected).await
    }
}

/// The part of the HTTP request that carries the fields of `request`.
fn input<R: Route>(request: &R) -> raptor_client::Input<'_, R> {
    match R::OPERATION.input {
        Input::None => raptor_client::Input::None,
        Input::Query => raptor_client::Input::Query(request),
        Input::Json | Input::Content => raptor_client::Input::Json(request),
    }
}

/// The path of a request about `target`.
fn path<R: Route>(target: R::Target) -> String {
    match target.container() {
        Some(id) => R::OPERATION.path.replace("{id}", &id.to_string()),
        None => R::OPERATION.path.to_owned(),
    }
}

/// When a clock was received, and its time.
type Heard = (Instant, DateTime<Utc>);

impl RemoteNode {
    /// The daemon at `host`:`port`, for the holder of `key`.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] if the key can't be sent as a header.
    pub fn new(host: &str, port: u16, transport: Transport, key: String) -> Result<Self, NodeError> {
        let host = match host.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => host.to_owned(),
        };
        let address = format!("{host}:{port}");
        Ok(Self {
            client: RwLock::new(Arc::new(Client::new(&address, transport, &key)?)),
            transport,
            key,
            address,
            link: tokio::sync::Mutex::default(),
            time: Arc::default(),
            spoken: AtomicU32::new(0),
            noticed: Arc::default(),
        })
    }

    fn client(&self) -> Arc<Client> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self) -> Place<'_> {
        Place { address: &self.address, transport: self.client().transport }
    }

    /// Upgrades a daemon that was reached over HTTP to HTTPS as soon as it supports that. It is never reached over HTTP again.
    async fn upgrade(&self) -> Result<(), NodeError> {
        let place = self.place();
        if place.transport == Transport::Upgrading && place.speaks_tls().await {
            let pinned = Client::new(&self.address, Transport::Pinned, &self.key)?;
            // Any answer proves possession of the key. Without an answer, something else may speak TLS there.
            if let Err(SocketError::Unreachable(reason)) = pinned.ask((), &GetSystem).await {
                let place = Place { address: &self.address, transport: Transport::Pinned };
                return match place.is_another_key(&reason) {
                    true => Err(NodeError::WrongKey),
                    false => Ok(()),
                };
            }
            *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pinned);
        }
        Ok(())
    }

    /// The time on the host's clock until which an action sent now is valid.
    fn limit(&self) -> Option<DateTime<Utc>> {
        let (heard, time) = (*self.time.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(time + TimeDelta::from_std(heard.elapsed() + ORDER_PATIENCE).ok()?)
    }

    /// The first request to a daemon, which identifies it.
    async fn meet(&self) -> Result<SystemInfo, NodeError> {
        match self.client().ask((), &GetSystem).await {
            Ok(answer) => {
                let system = self.met(&answer).await?;
                self.spoken.store(system.spoken()?, Ordering::Relaxed);
                Ok(system)
            }
            Err(error) => Err(self.not_met(error).await),
        }
    }

    /// Refuses what the daemon is too old for, so that it is not misunderstood there.
    async fn check<R: Route>(&self) -> Result<(), NodeError> {
        let needs = R::OPERATION.since;
        if needs == OLDEST_PROTOCOL {
            return Ok(());
        }
        let theirs = match self.spoken.load(Ordering::Relaxed) {
            0 => self.meet().await?.spoken()?,
            known => known,
        };
        if theirs < needs { Err(NodeError::Outdated { needs, theirs }) } else { Ok(()) }
    }

    async fn stream<R: Route>(
        &self,
        target: R::Target,
        request: &R,
    ) -> Result<(Outbox, BoxStream<'static, R::Answer>), NodeError> {
        let opened = self.client().http.connect(&path::<R>(target), input(request)).await;
        let (outbox, frames) = opened.map_err(|error| self.error(error))?;
        let (noticed, address) = (self.noticed.clone(), self.address.clone());
        let items = frames
            .filter_map(move |frame| {
                let Understood { value, mut left_out, .. } = tolerant::read(frame.as_bytes());
                left_out.extend(value.as_ref().err().map(UnknownPart::message::<R::Answer>));
                warn_of_new(&noticed, &address, &left_out);
                std::future::ready(value.ok())
            })
            .boxed();
        Ok((outbox, items))
    }
}

/// Logs what the daemon at `address` says and only a newer version understands, once for each kind and container.
fn warn_of_new(noticed: &Noticed, address: &str, left_out: &[UnknownPart]) {
    for left_out in left_out.iter().filter(|left_out| noticed.is_new(left_out)) {
        tracing::warn!(
            daemon = address,
            %left_out,
            "the daemon said something that this version does not understand, and it is left out; is the daemon newer?"
        );
    }
}

#[async_trait]
impl<R: Request> Handler<R> for RemoteNode {
    async fn handle(&self, target: R::Target, mut request: R) -> Result<R::Answer, NodeError> {
        self.check::<R>().await?;
        if let Some(not_after) = request.not_after() {
            *not_after = self.limit();
        }
        let client = self.client();
        let asking = client.ask(target, &request);
        let answer = match R::OPERATION.patience {
            Patience::Short | Patience::Long => asking.await,
            // The connection may be dead, and a person is waiting.
            Patience::Order => tokio::time::timeout(ORDER_PATIENCE, asking).await.map_err(|_| {
                NodeError::Unreachable(format!(
                    "The daemon at {} did not answer, so this may have been done or not. Check before you try again.",
                    self.address
                ))
            })?,
        };
        let answer = answer.map_err(|error| self.error(error))?;
        match R::OPERATION.reply {
            Reply::Json => self.read(&answer),
            // The body is empty if there is nothing to return.
            _ => self.read(b"null"),
        }
    }
}

#[async_trait]
impl Node for RemoteNode {
    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        self.check::<LiveQuery>().await?;
        Ok(self.stream(id, &LiveQuery::new(since, parts)).await?.1)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        // A daemon of another version may send messages that this one does not know, so its version is requested first.
        let time = self.time.clone();
        let note = move |system: &SystemInfo| {
            *time.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), system.time));
        };
        self.upgrade().await?;
        note(&self.meet().await?);
        let (outbox, events) = self.stream((), &LinkRequest).await?;
        *self.link.lock().await = Some(outbox);
        let events = events.inspect(move |event| match event {
            NodeEvent::System { system } | NodeEvent::Snapshot { system, .. } => note(system),
            _ => {}
        });
        Ok(events.boxed())
    }

    async fn tell(&self, word: HostMessage) -> Result<(), NodeError> {
        let text = serde_json::to_string(&word).map_err(|error| NodeError::Internal(error.to_string()))?;
        let mut link = self.link.lock().await;
        let Some(outbox) = link.as_mut() else { return Err(self.unreachable("there is no link")) };
        let sent = outbox.send(text).await;
        sent.map_err(|error| {
            *link = None;
            self.unreachable(&error.to_string())
        })
    }

    fn upgraded(&self) -> bool {
        self.transport == Transport::Upgrading && self.client().transport == Transport::Pinned
    }

    async fn export_console(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        self.check::<ConsoleExport>().await?;
        let content = self.client().http.read(&path::<ConsoleExport>(id), &export).await;
        Ok(content.map_err(|error| self.error(error))?.body)
    }

    async fn read_file(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        self.check::<Scoped<FileRead>>().await?;
        let content = self.client().http.read(&path::<Scoped<FileRead>>(id), &request).await;
        let Content { about, body } = content.map_err(|error| self.error(error))?;
        let FileHead { file, start, length } = self.read(&about)?;
        Ok(FileContent { file, start, length, body, direct: None })
    }

    async fn write_file(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        self.check::<Scoped<FileWrite>>().await?;
        let answer = self.client().http.write(&path::<Scoped<FileWrite>>(id), &request, body).await;
        self.read(&answer.map_err(|error| self.error(error))?)
    }
}
