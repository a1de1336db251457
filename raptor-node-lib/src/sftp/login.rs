//! Authentication: by asking the control side, or from disk while that is unavailable.

use super::{live::Live, serve::Server};
use crate::link::Recheck;
use raptor_model::node::{
    Answer, HostAction, Question, Redacted, SftpAnswer, SftpGrant, SftpProof, SftpQuestion,
};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::broadcast::{self, error::RecvError};

impl Server {
    /// The control side's answer to a password; `None` if it is unavailable.
    pub(super) async fn by_password(
        &self,
        login: &str,
        password: &str,
        ip: IpAddr,
    ) -> Option<Result<SftpGrant, ()>> {
        let proof = SftpProof::Password { password: Redacted::new(password) };
        let question = SftpQuestion::SignIn { login: login.to_owned(), proof, ip };
        self.ask(question).await
    }

    pub(super) async fn by_key(
        &self,
        login: &str,
        fingerprint: &str,
        proven: bool,
        ip: IpAddr,
    ) -> Option<SftpGrant> {
        let proof = SftpProof::Key { fingerprint: fingerprint.to_owned(), proven };
        let question = SftpQuestion::SignIn { login: login.to_owned(), proof, ip };
        match self.ask(question).await {
            Some(Ok(grant)) => {
                if proven {
                    self.known.approve(login, fingerprint, &grant, self.now());
                }
                Some(grant)
            }
            Some(Err(())) => {
                self.known.forget(login, fingerprint);
                None
            }
            None => {
                let grant = self.known.find(login, fingerprint, self.now())?;
                if proven {
                    tracing::info!(login, %ip, "signed in with a known key; the control side is unavailable");
                    self.journal(&grant, ip).report(HostAction::SftpSignedInOffline);
                }
                Some(grant)
            }
        }
    }

    /// The control side's answer; `None` if it is unavailable.
    async fn ask(&self, question: SftpQuestion) -> Option<Result<SftpGrant, ()>> {
        match self.link.ask(Question::Sftp { question }).await? {
            Answer::Sftp { answer: SftpAnswer::Granted { grant } } => Some(Ok(grant)),
            Answer::Sftp { answer: SftpAnswer::Refused } => Some(Err(())),
            Answer::Unavailable => None,
        }
    }

    /// Checks grants again whenever they may have changed. Sessions come first, and no question waits for another: each session
    /// may be in the middle of a transfer.
    pub(super) async fn follow_changes(self: Arc<Self>) {
        let mut rechecks = self.link.rechecks();
        loop {
            let Some(recheck) = next(&mut rechecks).await else { return };
            for live in self.sessions.concerned(recheck) {
                self.clone().recheck_session(live);
            }
        }
    }

    /// Like [`Server::follow_changes`], for keys on disk.
    pub(super) async fn follow_known(self: Arc<Self>) {
        let mut rechecks = self.link.rechecks();
        while let Some(recheck) = next(&mut rechecks).await {
            self.renew_known(recheck).await;
        }
    }

    /// Asks whether a session may continue.
    pub(super) fn recheck_session(self: Arc<Self>, live: Arc<Live>) {
        let server = self.clone();
        self.spawn(async move {
            // One at a time, since the answer to the last question is the one that counts.
            let _turn = live.asking.lock().await;
            server.renew(&live).await;
        });
    }

    async fn renew(&self, live: &Live) {
        let question = SftpQuestion::Renew {
            user_id: live.user_id,
            container_id: live.container_id,
            epoch: live.epoch,
            key: live.key.clone(),
        };
        match self.ask(question).await {
            Some(Ok(grant)) => live.regrant(&grant),
            Some(Err(())) => {
                tracing::info!(login = live.login, ip = %live.ip, "SFTP access has ended; closing the session");
                live.cut.cancel();
            }
            // Unavailable: the session keeps its rights, and is checked again when the control side is back.
            None => {}
        }
    }

    /// Updates or deletes keys on disk whose grants have changed.
    async fn renew_known(&self, (user, container): Recheck) {
        for known in self.known.all() {
            let grant = &known.grant;
            if user.is_some_and(|user| user != grant.user_id)
                || container.is_some_and(|container| container != grant.container_id)
            {
                continue;
            }
            let question = SftpQuestion::Renew {
                user_id: grant.user_id,
                container_id: grant.container_id,
                epoch: grant.epoch,
                key: Some(known.fingerprint.clone()),
            };
            match self.ask(question).await {
                Some(Ok(grant)) => self.known.approve(&known.login, &known.fingerprint, &grant, self.now()),
                Some(Err(())) => self.known.forget(&known.login, &known.fingerprint),
                None => return,
            }
        }
    }
}

async fn next(rechecks: &mut broadcast::Receiver<Recheck>) -> Option<Recheck> {
    match rechecks.recv().await {
        Ok(recheck) => Some(recheck),
        Err(RecvError::Lagged(_)) => Some((None, None)),
        Err(RecvError::Closed) => None,
    }
}
