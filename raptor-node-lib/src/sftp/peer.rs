//! One SSH connection: who it is, and its channels.

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

/// Channels of one connection at most.
const MAX_CHANNELS: usize = 8;
/// Connections of one user to one container at most.
const MAX_SESSIONS: usize = 32;

pub(super) struct Peer {
    pub(super) server: Arc<Server>,
    pub(super) ip: IpAddr,
    /// Ends the connection at once.
    pub(super) cut: CancellationToken,
    /// Told when somebody has signed in.
    pub(super) signed_in: CancellationToken,
    pub(super) refused: Refused,
    session: Option<Signed>,
    waiting: HashMap<ChannelId, Channel<Msg>>,
    inputs: HashMap<ChannelId, ChannelInput>,
}

/// A session in the list of those that are open, for as long as this lives.
struct Signed {
    server: Arc<Server>,
    id: u64,
    live: Arc<Live>,
}

impl Drop for Signed {
    fn drop(&mut self) {
        self.server.sessions.remove(self.id);
        // A handler that is in the middle of something long ends too.
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
        // What changed between the answer and this line was told to sessions that were in the list already.
        server.clone().look_again(live.clone());
        self.session = Some(Signed { server, id, live });
        self.signed_in.cancel();
        Auth::Accept
    }
}

/// A refusal that leaves every way to sign in open, so that the next try needs no new connection.
pub(super) fn refused() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::from(&METHODS[..])), partial_success: false }
}

/// SHA-1 signatures prove nothing any more.
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
        // What arrives comes to `data` below, which waits for nobody; the other half would have to be read.
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
            tracing::debug!(%broken, ip = %self.ip, "an SFTP connection is ended");
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
