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

/// Connections at most, over all.
const MAX_CONNECTIONS: usize = 512;
/// Connections from one address at most.
const MAX_PER_ADDRESS: usize = 64;
/// How long signing in may take.
const GRACE: Duration = Duration::from_secs(60);
/// How long a session may ask nothing, in seconds.
const IDLE_S: i64 = 3_600;
/// How often changes are handed over and idle sessions looked for.
const TURN_EVERY: Duration = Duration::from_secs(10);
/// How often what was not acknowledged is told again.
const TELL_AGAIN: Duration = Duration::from_secs(120);
/// How long until a port that is taken is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Opens a container's files. Blocking.
pub(crate) type Roots = Box<dyn Fn(ContainerId) -> Option<Root> + Send + Sync>;

/// What a server is made from.
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Whose number of connections has no limit: proxies before this port.
    pub(crate) exempt: Vec<IpNet>,
    /// Whether algorithms are offered that old clients need.
    pub(crate) old_clients: bool,
    /// Where host key, known keys and entries that wait are kept.
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
    /// Begins to serve. A port that is taken is said in [`Server::about`], and tried again.
    ///
    /// # Errors
    /// When the folder can't be used.
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
        tasks.spawn(stop.clone().run_until_cancelled_owned(server.clone().keep_house()));
        Ok(server)
    }

    /// What the panel shows of it.
    pub(crate) fn about(&self) -> SftpServer {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.settings.clock.now()
    }

    pub(super) fn clock(&self) -> Clock {
        self.settings.clock.clone()
    }

    /// Does something beside all connections: none of them can hold it up.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.settings.tasks.spawn_on(work, &self.runtime);
    }

    pub(super) fn journal(&self, grant: &SftpGrant, ip: IpAddr) -> Journal {
        Journal::new(self.spool.clone(), self.clock(), (grant.user_id, grant.container_id), ip)
    }

    /// A container's files.
    pub(super) async fn root(self: &Arc<Self>, id: ContainerId) -> Option<Root> {
        let server = self.clone();
        // Measuring a large folder takes long, and this connection is to be cut meanwhile where it has to be.
        self.runtime.spawn_blocking(move || (server.settings.roots)(id)).await.ok()?
    }

    async fn listen(&self) -> Option<TcpListener> {
        let addr = self.settings.addr;
        let listening = TcpListener::bind(addr).await;
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        match listening {
            Ok(listener) => {
                about.problem = None;
                // Port 0 is for tests: the system chooses.
                about.port = listener.local_addr().map_or(addr.port(), |addr| addr.port());
                tracing::info!(%addr, "serving SFTP");
                Some(listener)
            }
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::AddrInUse => format!(
                        "Port {} is taken by another program, so there is no SFTP. Stop that one, or set SFTP_PORT to another port.",
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
                // Out of descriptors, or a client that is gone already.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Lets a connection in, unless there are too many.
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
                tracing::warn!(%error, %ip, "an SSH connection can't be served");
            }
            drop(tracked);
        };
        // A thread of its own: its files are read and written on it, and a slow disk holds nobody else up.
        if let Err(error) = std::thread::Builder::new().name("sftp".into()).spawn(serve) {
            tracing::warn!(%error, %ip, "there is no thread for an SSH connection");
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
                Err(error) => return tracing::debug!(%error, %ip, "no SSH connection came about"),
            },
            () = &mut grace => return,
        };
        tokio::select! {
            ended = &mut session => return log_end(ended, ip),
            () = &mut grace => cut.cancel(),
            // Its slot may have become another's in this very moment.
            () = signed_in.cancelled() => if !slot.keep() { cut.cancel() },
        }
        log_end(session.await, ip);
    }

    /// Hands over what was changed, ends who is idle, tells again what was not heard.
    async fn keep_house(self: Arc<Self>) {
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
                // Somebody listens again.
                Ok((None, None)) = rechecks.recv() => Box::new(move || server.spool.tell_again()),
                else => continue,
            };
            let _ = tokio::task::spawn_blocking(work).await;
        }
    }
}

/// Lets this process have as many files open as it may: connections have several each, and their clients open more. The usual
/// limit of 1,024 is there for programs that use `select`.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::debug!(%error, "the number of open files stays limited");
    }
}

fn log_end(ended: Result<(), russh::Error>, ip: IpAddr) {
    if let Err(error) = ended {
        tracing::debug!(%error, %ip, "an SSH connection ended");
    }
}
