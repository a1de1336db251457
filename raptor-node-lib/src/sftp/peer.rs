//! One SSH connection: its user and its channels.

use super::{
    algorithms::METHODS, handler::ChannelHandler, input::ChannelInput, live::Live, password::Refused,
    serve::Server,
};
use raptor_model::node::SftpGrant;
use russh::{
    Channel, ChannelId, Error, MethodSet,
    keys::{Algorithm, HashAlg},
    server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey},
};
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Most channels per connection.
const MAX_CHANNELS: usize = 8;
/// Most connections of one user to one container.
const MAX_SESSIONS: usize = 32;

pub(super) struct Peer {
    pub(super) server: Arc<Server>,
    pub(super) ip: IpAddr,
    /// Closes the connection at once.
    pub(super) cut: CancellationToken,
    /// Cancelled when the user has authenticated.
    pub(super) signed_in: CancellationToken,
    pub(super) refused: Refused,
    session: Option<SessionEntry>,
    waiting: HashMap<ChannelId, Channel<Msg>>,
    inputs: HashMap<ChannelId, ChannelInput>,
}

/// The session's entry among the open sessions, removed when dropped.
struct SessionEntry {
    server: Arc<Server>,
    id: u64,
    live: Arc<Live>,
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        self.server.sessions.remove(self.id);
        // A handler that is in the middle of a long operation ends too.
        self.live.cut.cancel();
    }
}

impl Peer {
    pub(super) fn new(
        server: Arc<Server>,
        ip: IpAddr,
        cut: CancellationToken,
        signed_in: CancellationToken,
    ) -> Self {
        Self {
            server,
            ip,
            cut,
            signed_in,
            refused: Refused::default(),
            session: None,
            waiting: HashMap::new(),
            inputs: HashMap::new(),
        }
    }

    pub(super) fn accept(&mut self, grant: &SftpGrant, login: &str, key: Option<String>) -> Auth {
        let server = self.server.clone();
        let live = Arc::new(Live::new(
            grant,
            (login.to_owned(), key),
            server.journal(grant, self.ip),
            (self.ip, self.cut.clone(), server.now().timestamp()),
        ));
        let Some(id) = server.sessions.add(live.clone(), MAX_SESSIONS) else {
            tracing::info!(login, ip = %self.ip, "too many SFTP connections of one user");
            return refused();
        };
        // Hints between the answer and this line reached only sessions that were already listed.
        server.clone().recheck_session(live.clone());
        self.session = Some(SessionEntry { server, id, live });
        self.signed_in.cancel();
        Auth::Accept
    }
}

/// A rejection that leaves all methods available, so that the next attempt needs no new connection.
pub(super) fn refused() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::from(&METHODS[..])), partial_success: false }
}

/// SHA-1 signatures are no longer secure.
fn is_modern(algorithm: &Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa)
}

impl Handler for Peer {
    type Error = Error;

    async fn auth_password(&mut self, login: &str, password: &str) -> Result<Auth, Error> {
        Ok(self.try_password(login, password).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        login: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        Ok(self.converse(login, response).await)
    }

    async fn auth_publickey_offered(
        &mut self,
        login: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        if !is_modern(offer.algorithm) {
            return Ok(refused());
        }
        let fingerprint = offer.public_key.fingerprint(HashAlg::Sha256).to_string();
        let granted = self.server.by_key(login, &fingerprint, false, self.ip).await;
        Ok(if granted.is_some() { Auth::Accept } else { refused() })
    }

    async fn auth_publickey(&mut self, login: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        if !is_modern(key.algorithm) {
            return Ok(refused());
        }
        let fingerprint = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        let granted = self.server.by_key(login, &fingerprint, true, self.ip).await;
        Ok(granted.map_or_else(refused, |grant| self.accept(&grant, login, Some(fingerprint))))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        if self.waiting.len() + self.inputs.len() < MAX_CHANNELS {
            self.waiting.insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        let (Some(channel), Some(signed), "sftp") = (self.waiting.remove(&id), &self.session, name) else {
            return session.channel_failure(id);
        };
        let live = signed.live.clone();
        let Some(root) = self.server.root(live.container_id).await else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        // Incoming data arrives in `data` below, without waiting; the reading half would have to be polled.
        let (_, out) = channel.split();
        let handler = ChannelHandler::new(root, live, self.server.clock());
        self.inputs.insert(id, ChannelInput::start(handler, out));
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.waiting.remove(&id);
        session.channel_success(id)?;
        session.data(
            id,
            "This server speaks SFTP only. Connect with sftp, scp or a program such as FileZilla.\r\n",
        )?;
        session.exit_status_request(id, 1)?;
        session.eof(id)?;
        session.close(id)
    }

    async fn exec_request(&mut self, id: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Error> {
        let Some(input) = self.inputs.get_mut(&id) else { return Ok(()) };
        if let Err(broken) = input.feed(data).await {
            tracing::debug!(%broken, ip = %self.ip, "closing an SFTP connection");
            self.cut.cancel();
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.inputs.remove(&id);
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.waiting.remove(&id);
        self.inputs.remove(&id);
        Ok(())
    }
}
