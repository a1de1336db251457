//! Signing in: asked of the control side, and of the disk where that is away.

use super::{live::Live, serve::Server};
use crate::link::Recheck;
use raptor_core::node::{Answer, Hidden, HostDeed, Question, SftpAnswer, SftpGrant, SftpProof, SftpQuestion};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::broadcast::error::RecvError;

impl Server {
    pub(super) async fn by_password(&self, login: &str, password: &str, ip: IpAddr) -> Option<SftpGrant> {
        let proof = SftpProof::Password { password: Hidden::new(password) };
        let question = SftpQuestion::SignIn { login: login.to_owned(), proof, ip };
        self.ask(question).await?.ok()
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
                    tracing::info!(login, %ip, "signed in by a known key; the control side is away");
                    self.journal(&grant, ip).report(HostDeed::SftpSignedInOffline);
                }
                Some(grant)
            }
        }
    }

    /// What the control side says; nothing where it is away.
    async fn ask(&self, question: SftpQuestion) -> Option<Result<SftpGrant, ()>> {
        match self.link.ask(Question::Sftp { question }).await? {
            Answer::Sftp { answer: SftpAnswer::Granted { grant } } => Some(Ok(grant)),
            Answer::Sftp { answer: SftpAnswer::Refused } => Some(Err(())),
            Answer::Unavailable => None,
        }
    }

    /// Looks again at what was granted, whenever it may have changed.
    pub(super) async fn follow_changes(self: Arc<Self>) {
        let mut rechecks = self.link.rechecks();
        loop {
            let recheck = match rechecks.recv().await {
                Ok(recheck) => recheck,
                Err(RecvError::Lagged(_)) => (None, None),
                Err(RecvError::Closed) => return,
            };
            let sessions = self.sessions.concerned(recheck);
            // At once: each of them may be in the middle of a transfer.
            let renewals = sessions.into_iter().map(|live| self.renew(live));
            futures_util::future::join_all(renewals).await;
            self.renew_known(recheck).await;
        }
    }

    async fn renew(&self, live: Arc<Live>) {
        let question = SftpQuestion::Renew {
            user_id: live.user_id,
            container_id: live.container_id,
            epoch: live.epoch,
            key: live.key.clone(),
        };
        match self.ask(question).await {
            Some(Ok(grant)) => live.regrant(&grant),
            Some(Err(())) => {
                tracing::info!(login = live.login, ip = %live.ip, "SFTP access has ended; the session is cut");
                live.cut.cancel();
            }
            // Away: it goes on as it was granted, and is looked at again when the control side is back.
            None => {}
        }
    }

    /// Keys on disk whose grants have changed are corrected or forgotten.
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
