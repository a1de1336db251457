//! Listening, limits, and what all connections share.

use super::{
    algorithms, host_key,
    journal::{Journal, Spool},
    known::KnownKeys,
    limit::{ConnectionLimit, ConnectionSlot},
    live::Sessions,
    peer::Peer,
    transport::Transport,
};
use crate::{files::Root, link::Link};
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use raptor_model::{
    clock::Clock,
    id::ContainerId,
    node::{SftpGrant, SftpServer},
};
use russh::server::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most connections in total.
const MAX_CONNECTIONS: usize = 512;
/// Most connections from one address.
const MAX_PER_ADDRESS: usize = 64;
/// Time limit for authentication.
const GRACE: Duration = Duration::from_secs(60);
/// How long a session may be idle, in seconds.
const IDLE_S: i64 = 3_600;
/// How often changes are reported and idle sessions are closed.
const TURN_EVERY: Duration = Duration::from_secs(10);
/// How often unacknowledged reports are sent again.
const TELL_AGAIN: Duration = Duration::from_secs(120);
/// The pause before binding a port that is in use is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Opens a container's files. Blocking.
pub(crate) type Roots = Box<dyn Fn(ContainerId) -> Option<Root> + Send + Sync>;

/// The settings of an SFTP server.
pub(crate) struct Settings {
    /// The address to listen on.
    pub(crate) addr: SocketAddr,
    /// Addresses without a connection limit: proxies in front of this port.
    pub(crate) exempt: Vec<IpNet>,
    /// Whether algorithms for old clients are offered.
    pub(crate) old_clients: bool,
    /// Where the host key, known keys and unacknowledged reports are stored.
    pub(crate) folder: PathBuf,
    pub(crate) roots: Roots,
    pub(crate) link: Arc<Link>,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// What all connections share.
pub(crate) struct Server {
    settings: Settings,
    config: Arc<Config>,
    about: Mutex<SftpServer>,
    runtime: Handle,
    spool: Arc<Spool>,
    pub(super) link: Arc<Link>,
    pub(super) known: KnownKeys,
    pub(super) sessions: Sessions,
    limit: ConnectionLimit,
}

impl Server {
    /// Starts the server. A port in use is reported in [`Server::about`], and tried again.
    ///
    /// # Errors
    /// If the folder is unusable.
    pub(crate) async fn start(settings: Settings) -> io::Result<Arc<Self>> {
        allow_open_files();
        let key = host_key::load(&settings.folder)?;
        let mut keys = vec![key.clone()];
        if settings.old_clients {
            keys.push(host_key::load_rsa(&settings.folder).await?);
        }
        let about = SftpServer {
            port: settings.addr.port(),
            fingerprint: host_key::fingerprint(&key),
            public_key: key.public_key().to_openssh().map_err(io::Error::other)?,
            problem: None,
        };
        let server = Arc::new(Self {
            config: Arc::new(algorithms::config(keys, settings.old_clients)),
            about: Mutex::new(about),
            runtime: Handle::current(),
            spool: Arc::new(Spool::open(settings.folder.join("activity"), settings.link.clone())?),
            link: settings.link.clone(),
            known: KnownKeys::open(settings.folder.join("known.json")),
            sessions: Sessions::default(),
            limit: ConnectionLimit::new(MAX_CONNECTIONS, MAX_PER_ADDRESS),
            settings,
        });
        let (tasks, stop) = (&server.settings.tasks, &server.settings.stop);
        let listener = server.listen().await;
        tasks.spawn(stop.clone().run_until_cancelled_owned(server.clone().accept_all(listener)));
        tasks.spawn(stop.clone().run_until_cancelled_owned(server.clone().follow_changes()));
        tasks.spawn(stop.clone().run_until_cancelled_owned(server.clone().follow_known()));
        tasks.spawn(stop.clone().run_until_cancelled_owned(server.clone().run_periodic_work()));
        Ok(server)
    }

    /// What the panel shows about the server.
    pub(crate) fn about(&self) -> SftpServer {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.settings.clock.now()
    }

    pub(super) fn clock(&self) -> Clock {
        self.settings.clock.clone()
    }

    /// Runs a task independent of all connections, so that none of them can delay it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.settings.tasks.spawn_on(work, &self.runtime);
    }

    pub(super) fn journal(&self, grant: &SftpGrant, ip: IpAddr) -> Journal {
        Journal::new(self.spool.clone(), self.clock(), (grant.user_id, grant.container_id), ip)
    }

    /// The files of a container.
    pub(super) async fn root(self: &Arc<Self>, id: ContainerId) -> Option<Root> {
        let server = self.clone();
        // Measuring a large folder takes long, and it must be possible to close the connection meanwhile.
        self.runtime.spawn_blocking(move || (server.settings.roots)(id)).await.ok()?
    }

    async fn listen(&self) -> Option<TcpListener> {
        let addr = self.settings.addr;
        let listening = TcpListener::bind(addr).await;
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        match listening {
            Ok(listener) => {
                about.problem = None;
                // Port 0 is for tests: the kernel chooses.
                about.port = listener.local_addr().map_or(addr.port(), |addr| addr.port());
                tracing::info!(%addr, "serving SFTP");
                Some(listener)
            }
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::AddrInUse => format!(
                        "Port {} is taken by another program, so there is no SFTP. Stop it, or set SFTP_PORT to another port.",
                        addr.port()
                    ),
                    _ => format!(
                        "SFTP can't listen on {addr}: {error}. Set SFTP_HOST to an address of this machine and SFTP_PORT to a free port."
                    ),
                };
                if about.problem.as_deref() != Some(&why) {
                    tracing::error!("{why}");
                }
                about.problem = Some(why);
                None
            }
        }
    }

    async fn accept_all(self: Arc<Self>, mut listener: Option<TcpListener>) {
        loop {
            let Some(listening) = &listener else {
                tokio::time::sleep(TRY_AGAIN).await;
                listener = self.listen().await;
                continue;
            };
            match listening.accept().await {
                Ok((stream, peer)) => self.clone().admit(stream, peer.ip().to_canonical()),
                // Out of file descriptors, or the client is already gone.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Accepts a connection unless there are too many.
    fn admit(self: Arc<Self>, stream: TcpStream, ip: IpAddr) {
        let cut = self.settings.stop.child_token();
        let exempt = self.settings.exempt.iter().any(|network| network.contains(&ip));
        let Some(slot) = self.limit.take(ip, exempt, &cut) else { return };
        let tracked = self.settings.tasks.token();
        let serve = move || {
            let served = stream.into_std().and_then(|stream| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(self.connect(stream, (ip, cut), slot));
                Ok(())
            });
            if let Err(error) = served {
                tracing::warn!(%error, %ip, "serving an SSH connection failed");
            }
            drop(tracked);
        };
        // A thread of its own, on which its files are read and written, so that a slow disk delays nobody else.
        if let Err(error) = std::thread::Builder::new().name("sftp".into()).spawn(serve) {
            tracing::warn!(%error, %ip, "starting a thread for an SSH connection failed");
        }
    }

    async fn connect(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        (ip, cut): (IpAddr, CancellationToken),
        slot: ConnectionSlot,
    ) {
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let signed_in = CancellationToken::new();
        let _ = stream.set_nodelay(true);
        let peer = Peer::new(self.clone(), ip, cut.clone(), signed_in.clone());
        let grace = tokio::time::sleep(GRACE);
        tokio::pin!(grace);
        let beginning = russh::server::run_stream(self.config.clone(), Transport::new(stream, &cut), peer);
        let mut session = tokio::select! {
            begun = beginning => match begun {
                Ok(session) => session,
                Err(error) => return tracing::debug!(%error, %ip, "an SSH handshake failed"),
            },
            () = &mut grace => return,
        };
        tokio::select! {
            ended = &mut session => return log_end(ended, ip),
            () = &mut grace => cut.cancel(),
            // Its slot may have been taken over just now.
            () = signed_in.cancelled() => if !slot.keep() { cut.cancel() },
        }
        log_end(session.await, ip);
    }

    /// Reports changes, closes idle sessions, and repeats unacknowledged reports.
    async fn run_periodic_work(self: Arc<Self>) {
        let mut noted = self.link.noted();
        let mut rechecks = self.link.rechecks();
        let mut turn = tokio::time::interval(TURN_EVERY);
        let mut again = tokio::time::interval(TELL_AGAIN);
        loop {
            let server = self.clone();
            let work: Box<dyn FnOnce() + Send> = tokio::select! {
                _ = turn.tick() => Box::new(move || {
                    let now = server.now().timestamp();
                    for live in server.sessions.concerned((None, None)) {
                        live.journal.turn_page();
                        if now - live.used_at.load(Ordering::Relaxed) > IDLE_S {
                            live.cut.cancel();
                        }
                    }
                }),
                _ = again.tick() => Box::new(move || server.spool.tell_again()),
                Ok(id) = noted.recv() => Box::new(move || server.spool.done(id)),
                // The control side is back.
                Ok((None, None)) = rechecks.recv() => Box::new(move || server.spool.tell_again()),
                else => continue,
            };
            let _ = tokio::task::spawn_blocking(work).await;
        }
    }
}

/// Raises this process's limit of open files to its maximum, since each connection has several. The usual limit of 1,024 exists
/// for programs that use `select`.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::debug!(%error, "raising the limit of open files failed");
    }
}

fn log_end(ended: Result<(), russh::Error>, ip: IpAddr) {
    if let Err(error) = ended {
        tracing::debug!(%error, %ip, "an SSH connection failed");
    }
}
