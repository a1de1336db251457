//! Daemons on other machines, over HTTP and WebSocket.

use super::{Transport, diagnosis::Place};
use crate::{
    containers::lifecycle::Refused,
    id::ContainerId,
    node::{
        CleanedImages, ConsoleExport, ConsoleFound, ConsoleLine, ConsoleSearch, ContainerSpec,
        ContainerStatus, Download, FileError, HostMessage, LiveFrame, LiveParts, Node, NodeError, NodeEvent,
        NodeHistory, PROTOCOL, PowerAction, RegistryLogin, Since, StatsHistory, StatsRange, SystemInfo,
        TOO_LATE,
        files::{
            Body, FileAnswer, FileContent, FileHead, FileRead, FileRequest, FileWrite, NodeFiles, Scoped,
        },
    },
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::BoxStream};
use raptor_client::{
    Content, ContentClient, Outbox, SocketError, Trust,
    daemon::{Client, Error, types},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long an order holds, and how long its answer is awaited. The panel waits 15 seconds for ours.
const ORDER_PATIENCE: Duration = Duration::from_secs(10);

/// A daemon behind an address.
pub struct RemoteNode {
    clients: RwLock<Arc<Clients>>,
    transport: Transport,
    key: String,
    address: String,
    /// The way down the link that is open.
    link: tokio::sync::Mutex<Option<Outbox>>,
    /// What the host's clock said, and when it was heard.
    time: Arc<Mutex<Option<Heard>>>,
}

/// What speaks to the daemon, all in the same way.
struct Clients {
    requests: Client,
    content: ContentClient,
    /// The address before the path of a WebSocket.
    sockets: String,
    trust: Trust,
    transport: Transport,
}

impl Clients {
    fn new(address: &str, transport: Transport, key: &str) -> Result<Self, NodeError> {
        let trust = match transport {
            Transport::Pinned => Trust::Key,
            Transport::Certificate | Transport::Plain | Transport::Upgrading => Trust::Authorities,
        };
        let secure = match transport {
            Transport::Pinned | Transport::Certificate => "s",
            Transport::Plain | Transport::Upgrading => "",
        };
        let invalid = |error: raptor_client::ClientError| NodeError::Invalid(error.to_string());
        let base = format!("http{secure}://{address}");
        Ok(Self {
            requests: raptor_client::daemon_client(&base, key, trust).map_err(invalid)?,
            content: ContentClient::new(&format!("{base}/api/v1"), key, trust).map_err(invalid)?,
            sockets: format!("ws{secure}://{address}/api/v1"),
            trust,
            transport,
        })
    }
}

/// When a clock was heard, and what it said.
type Heard = (Instant, DateTime<Utc>);

impl RemoteNode {
    /// The daemon at `host`:`port`, for the holder of `key`.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] when the key can't be sent.
    pub fn new(host: &str, port: u16, transport: Transport, key: String) -> Result<Self, NodeError> {
        let host = match host.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => host.to_owned(),
        };
        let address = format!("{host}:{port}");
        Ok(Self {
            clients: RwLock::new(Arc::new(Clients::new(&address, transport, &key)?)),
            transport,
            key,
            address,
            link: tokio::sync::Mutex::default(),
            time: Arc::default(),
        })
    }

    fn clients(&self) -> Arc<Clients> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self) -> Place<'_> {
        Place { address: &self.address, transport: self.clients().transport }
    }

    /// A daemon that once spoke HTTP is spoken to by HTTPS as soon as it can, and never again without.
    async fn upgrade(&self) -> Result<(), NodeError> {
        let place = self.place();
        if place.transport == Transport::Upgrading && place.speaks_tls().await {
            let pinned = Clients::new(&self.address, Transport::Pinned, &self.key)?;
            // Any answer comes from who has the key. Without one, something else may speak TLS there.
            if let Err(Error::CommunicationError(cause)) = pinned.requests.get_system().await {
                let reason = reason(&cause);
                let place = Place { address: &self.address, transport: Transport::Pinned };
                return match place.is_another_key(&reason) {
                    true => Err(NodeError::WrongKey),
                    false => Ok(()),
                };
            }
            *self.clients.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pinned);
        }
        Ok(())
    }

    /// Until when an order of now holds, by the host's clock.
    fn limit(&self) -> Option<DateTime<Utc>> {
        let (heard, time) = (*self.time.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(time + TimeDelta::from_std(heard.elapsed() + ORDER_PATIENCE).ok()?)
    }

    /// A request for which a person waits. It times out soon where the connection is dead.
    async fn order<T>(
        &self,
        sending: impl Future<Output = Result<T, Error<types::Problem>>>,
    ) -> Result<(), NodeError> {
        match tokio::time::timeout(ORDER_PATIENCE, sending).await {
            Ok(answer) => answer.map(|_| ()).map_err(|error| self.error(error)),
            Err(_) => Err(NodeError::Unreachable(format!(
                "The daemon at {} did not answer, so this may have been done or not. Look before you try again.",
                self.address
            ))),
        }
    }

    fn unreachable(&self, why: &str) -> NodeError {
        if self.place().is_another_key(why) {
            return NodeError::WrongKey;
        }
        let address = &self.address;
        NodeError::Unreachable(format!(
            "The daemon at {address} can't be reached ({why}). Check that raptor-daemon runs there and that a firewall lets us in."
        ))
    }

    fn error(&self, error: Error<types::Problem>) -> NodeError {
        match error {
            Error::ErrorResponse(response) => self.problem(response.into_inner()),
            Error::CommunicationError(error)
            | Error::InvalidUpgrade(error)
            | Error::ResponseBodyError(error) => self.unreachable(&reason(&error)),
            Error::InvalidRequest(why) => NodeError::Invalid(why),
            Error::InvalidResponsePayload(body, error) => match protocol_of(&body) {
                Some(theirs) if theirs != PROTOCOL => NodeError::Protocol { theirs },
                _ => NodeError::Internal(format!("the daemon's answer is not understood: {error}")),
            },
            other => NodeError::Internal(other.to_string()),
        }
    }

    /// Why the first question to a daemon was not answered: there is none, or something else is in its place.
    async fn not_met(&self, error: Error<types::Problem>) -> NodeError {
        let place = self.place();
        match error {
            // A daemon knows the question, and asks for no session.
            Error::ErrorResponse(answer)
                if matches!(answer.code.as_str(), "not_found" | "unauthenticated") =>
            {
                NodeError::Unreachable(place.api())
            }
            Error::CommunicationError(ref cause) | Error::ResponseBodyError(ref cause) => {
                let reason = reason(cause);
                match place.refusal(&reason).await {
                    _ if place.is_another_key(&reason) => NodeError::WrongKey,
                    Some(why) => NodeError::Unreachable(why),
                    None => self.error(error),
                }
            }
            Error::InvalidResponsePayload(ref body, _) if protocol_of(body).is_none() => {
                NodeError::Unreachable(place.stranger().await)
            }
            Error::UnexpectedResponse(_) => NodeError::Unreachable(place.stranger().await),
            error => self.error(error),
        }
    }

    fn problem(&self, problem: types::Problem) -> NodeError {
        match problem.code.as_str() {
            code if Refused::coded(code).is_some() => {
                Refused::coded(code).map_or(NodeError::NotFound, NodeError::from)
            }
            "not_found" => NodeError::NotFound,
            "invalid" => NodeError::Invalid(problem.detail),
            "wrong_key" => NodeError::WrongKey,
            TOO_LATE => NodeError::Unreachable(problem.detail),
            "docker_unavailable" => NodeError::Docker(problem.detail),
            code => match FileError::from_code(code, &problem.detail) {
                Some(error) => NodeError::File(error),
                None => NodeError::Internal(problem.detail),
            },
        }
    }

    fn socket_error(&self, error: SocketError) -> NodeError {
        match error {
            SocketError::Status { body, status } => match serde_json::from_str::<types::Problem>(&body) {
                Ok(problem) => self.problem(problem),
                Err(_) => self.unreachable(&format!("something that is no raptor-daemon answered {status}")),
            },
            SocketError::Unreachable(why) => self.unreachable(&why),
        }
    }

    async fn stream<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<(Outbox, BoxStream<'static, T>), NodeError> {
        let clients = self.clients();
        let address = format!("{}{path}", clients.sockets);
        let opened = raptor_client::converse(&address, &self.key, clients.trust).await;
        let (outbox, frames) = opened.map_err(|error| self.socket_error(error))?;
        let items = frames
            .filter_map(|frame| {
                let read = serde_json::from_str(&frame);
                std::future::ready(
                    read.inspect_err(
                        |error| tracing::warn!(%error, "a frame that this version does not understand"),
                    )
                    .ok(),
                )
            })
            .boxed();
        Ok((outbox, items))
    }
}

/// The protocol that a daemon names, whatever else it says.
fn protocol_of(system: &[u8]) -> Option<u32> {
    let system: serde_json::Value = serde_json::from_slice(system).ok()?;
    system.get("protocol")?.as_u64()?.try_into().ok()
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), reason)
}

/// Between our types and the generated ones, which say the same.
fn same<T: DeserializeOwned>(value: impl Serialize) -> Result<T, NodeError> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| NodeError::Internal(format!("the daemon's answer is not understood: {error}")))
}

/// The id as the generated client has it.
fn generated(id: ContainerId) -> types::ContainerId {
    types::ContainerId(id.as_uuid())
}

#[async_trait]
impl Node for RemoteNode {
    async fn system(&self) -> Result<SystemInfo, NodeError> {
        match self.clients().requests.get_system().await {
            Ok(answer) => same(answer.into_inner()),
            Err(error) => Err(self.not_met(error).await),
        }
    }

    async fn containers(&self) -> Result<Vec<ContainerStatus>, NodeError> {
        let answer = self.clients().requests.list_containers().await.map_err(|error| self.error(error))?;
        same(answer.into_inner().items)
    }

    async fn declare(&self, spec: ContainerSpec) -> Result<ContainerStatus, NodeError> {
        let declared = same(&spec)?;
        let answer = self.clients().requests.declare_container(&generated(spec.id), &declared).await;
        same(answer.map_err(|error| self.error(error))?.into_inner())
    }

    async fn declared(&self, id: ContainerId) -> Result<ContainerSpec, NodeError> {
        let answer = self.clients().requests.get_container(&generated(id)).await;
        same(answer.map_err(|error| self.error(error))?.into_inner())
    }

    async fn remove(&self, id: ContainerId) -> Result<(), NodeError> {
        self.clients().requests.remove_container(&generated(id)).await.map_err(|error| self.error(error))?;
        Ok(())
    }

    async fn power(&self, id: ContainerId, action: PowerAction, by: &str) -> Result<(), NodeError> {
        let body =
            types::PowerRequest { action: same(action)?, by: Some(by.to_owned()), not_after: self.limit() };
        self.order(self.clients().requests.power_container(&generated(id), &body)).await
    }

    async fn cancel_install(&self, id: ContainerId) -> Result<(), NodeError> {
        self.clients().requests.cancel_install(&generated(id)).await.map_err(|error| self.error(error))?;
        Ok(())
    }

    async fn acknowledge(&self, spool: Uuid, number: u64) -> Result<(), NodeError> {
        let body = types::Acknowledgement { spool, number };
        self.clients().requests.acknowledge(&body).await.map_err(|error| self.error(error))?;
        Ok(())
    }

    async fn set_registries(&self, logins: Vec<RegistryLogin>) -> Result<(), NodeError> {
        let body = types::RegistryLogins { items: same(logins)? };
        self.clients().requests.set_registries(&body).await.map_err(|error| self.error(error))?;
        Ok(())
    }

    async fn clean_images(&self, unused_s: u64) -> Result<CleanedImages, NodeError> {
        let body = types::CleaningRequest { unused_s };
        let cleaned = self.clients().requests.clean_images(&body).await;
        same(cleaned.map_err(|error| self.error(error))?.into_inner())
    }

    async fn command(&self, id: ContainerId, line: &str, by: &str) -> Result<(), NodeError> {
        let not_after = self.limit();
        let body = types::CommandRequest { command: line.to_owned(), by: by.to_owned(), not_after };
        self.order(self.clients().requests.send_command(&generated(id), &body)).await
    }

    async fn console(
        &self,
        id: ContainerId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ConsoleLine>, NodeError> {
        let answer = self.clients().requests.get_console(&generated(id), after, Some(limit)).await;
        same(answer.map_err(|error| self.error(error))?.into_inner().lines)
    }

    async fn live(
        &self,
        id: ContainerId,
        since: Since,
        parts: LiveParts,
    ) -> Result<BoxStream<'static, LiveFrame>, NodeError> {
        let since = match since {
            Since::After(seq) => format!("after={seq}"),
            Since::Tail(lines) => format!("tail={lines}"),
        };
        let LiveParts { console, stats } = parts;
        let path = format!("/containers/{id}/live?{since}&console={console}&stats={stats}");
        Ok(self.stream(&path).await?.1)
    }

    async fn events(&self) -> Result<BoxStream<'static, NodeEvent>, NodeError> {
        // A daemon of another version may speak of what this one does not know: its version is asked for by itself first.
        let time = self.time.clone();
        let note = move |system: &SystemInfo| {
            *time.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), system.time));
        };
        self.upgrade().await?;
        note(&self.system().await?);
        let (outbox, events) = self.stream("/link").await?;
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
        self.transport == Transport::Upgrading && self.clients().transport == Transport::Pinned
    }

    fn history(&self) -> &dyn NodeHistory {
        self
    }

    fn files(&self) -> &dyn NodeFiles {
        self
    }
}

#[async_trait]
impl NodeHistory for RemoteNode {
    async fn search(&self, id: ContainerId, search: ConsoleSearch) -> Result<ConsoleFound, NodeError> {
        let answer = self.clients().content.ask(&format!("/containers/{id}/console/search"), &search).await;
        answer.map_err(|error| self.socket_error(error))
    }

    async fn export(&self, id: ContainerId, export: ConsoleExport) -> Result<Download, NodeError> {
        let content = self.clients().content.read(&format!("/containers/{id}/console/export"), &export).await;
        Ok(content.map_err(|error| self.socket_error(error))?.body)
    }

    async fn stats(&self, of: Option<ContainerId>, range: StatsRange) -> Result<StatsHistory, NodeError> {
        let range: types::StatsRange = same(range)?;
        let answer = match of {
            Some(id) => self.clients().requests.get_container_stats_history(&generated(id), range).await,
            None => self.clients().requests.get_system_stats_history(range).await,
        };
        same::<StatsHistory>(answer.map_err(|error| self.error(error))?.into_inner())
    }
}

#[async_trait]
impl NodeFiles for RemoteNode {
    async fn ask(&self, id: ContainerId, request: Scoped<FileRequest>) -> Result<FileAnswer, NodeError> {
        let answer = self.clients().content.ask(&format!("/containers/{id}/files"), &request).await;
        answer.map_err(|error| self.socket_error(error))
    }

    async fn read(&self, id: ContainerId, request: Scoped<FileRead>) -> Result<FileContent, NodeError> {
        let path = format!("/containers/{id}/files/read");
        let Content { about, body } =
            self.clients().content.read(&path, &request).await.map_err(|error| self.socket_error(error))?;
        let FileHead { file, start, length } = serde_json::from_slice(&about).map_err(|error| {
            NodeError::Internal(format!("the daemon's answer is not understood: {error}"))
        })?;
        Ok(FileContent { file, start, length, body, direct: None })
    }

    async fn write(
        &self,
        id: ContainerId,
        request: Scoped<FileWrite>,
        body: Body,
    ) -> Result<FileAnswer, NodeError> {
        let answer =
            self.clients().content.write(&format!("/containers/{id}/files/content"), &request, body).await;
        answer.map_err(|error| self.socket_error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };
    use tokio_rustls::TlsAcceptor;

    const KEY: &str = "rd_Zk3vX9qLw2TnB7yRc5MfH1pJd8GsA4uEoI6tQxN0bV";

    /// Answers every request as a daemon of protocol 0, and gives what each connection sent, inside of TLS where that is given.
    async fn serve(
        listener: &TcpListener,
        tls: Option<rustls::ServerConfig>,
        sent: &mpsc::UnboundedSender<Vec<u8>>,
    ) {
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            match &acceptor {
                None => answer(socket, sent).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        answer(stream, sent).await;
                    }
                }
            }
        }
    }

    async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, sent: &mpsc::UnboundedSender<Vec<u8>>) {
        let mut request = vec![0; 4_096];
        let read = socket.read(&mut request).await.unwrap_or(0);
        request.truncate(read);
        sent.send(request).unwrap();
        let body = r#"{"protocol":0,"name":"of long ago"}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        let _ = socket.shutdown().await;
    }

    #[tokio::test]
    async fn a_daemon_that_was_added_before_there_was_tls_is_spoken_to_by_https_as_soon_as_it_can_and_for_good()
     {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let node = RemoteNode::new("127.0.0.1", port, Transport::Upgrading, KEY.into()).unwrap();
        let (sent, mut seen) = mpsc::unbounded_channel();
        let met = |error: Option<NodeError>| matches!(error, Some(NodeError::Protocol { theirs: 0 }));
        tokio::select! {
            () = serve(&listener, None, &sent) => {}
            link = node.events() => assert!(met(link.err()), "an old daemon is met by HTTP"),
        }
        assert!(!node.upgraded());
        tokio::select! {
            () = serve(&listener, Some(raptor_tls::server(KEY).unwrap()), &sent) => {}
            link = node.events() => assert!(met(link.err()), "a new one by HTTPS"),
        }
        assert!(node.upgraded());
        while seen.try_recv().is_ok() {}
        // Somebody on the way takes HTTPS away again.
        tokio::select! {
            () = serve(&listener, None, &sent) => {}
            link = node.events() => assert!(matches!(link.err(), Some(NodeError::Unreachable(_)))),
        }
        while let Ok(bytes) = seen.try_recv() {
            assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key was sent in the open");
        }
    }

    #[tokio::test]
    async fn a_daemon_with_another_key_is_said_to_have_it_and_learns_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let node = RemoteNode::new("127.0.0.1", port, Transport::Pinned, KEY.into()).unwrap();
        let (sent, mut seen) = mpsc::unbounded_channel();
        let other = raptor_tls::server(&KEY.replace('Z', "Y")).unwrap();
        tokio::select! {
            () = serve(&listener, Some(other), &sent) => {}
            link = node.events() => assert!(matches!(link.err(), Some(NodeError::WrongKey))),
        }
        assert!(seen.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_understood_is_of_another_protocol() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = socket.read(&mut request).await.unwrap();
            let body = r#"{"protocol":0,"name":"of long ago"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        });
        let node = RemoteNode::new("127.0.0.1", port, Transport::Plain, "key".into()).unwrap();
        let error = node.events().await.err().unwrap();
        assert!(matches!(error, NodeError::Protocol { theirs: 0 }), "{error}");
    }
}
