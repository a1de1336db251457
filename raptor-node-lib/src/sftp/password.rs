//! Signing in by password: sent at once, or typed where the server asks for it ("keyboard-interactive"). PuTTY, WinSCP and
//! OpenSSH try the second first and then the first, with what was typed once.

use super::peer::{Peer, refused};
use russh::server::{Auth, Response};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::HashSet};

/// The question, without echo.
const PROMPT: (Cow<'static, str>, bool) = (Cow::Borrowed("Password: "), false);

/// What was refused on one connection. The same again is refused without being asked: it counts as one attempt.
#[derive(Default)]
pub(super) struct Refused(HashSet<[u8; 32]>);

impl Refused {
    fn digest(login: &str, password: &str) -> [u8; 32] {
        // The length parts the two.
        let length = (login.len() as u64).to_be_bytes();
        Sha256::new().chain_update(length).chain_update(login).chain_update(password).finalize().into()
    }
}

impl Peer {
    pub(super) async fn try_password(&mut self, login: &str, password: &str) -> Auth {
        let digest = Refused::digest(login, password);
        if self.refused.0.contains(&digest) {
            return refused();
        }
        match self.server.by_password(login, password, self.ip).await {
            Some(Ok(grant)) => self.accept(&grant, login, None),
            Some(Err(())) => {
                self.refused.0.insert(digest);
                refused()
            }
            None => refused(),
        }
    }

    /// Asks for the password, or takes what was answered.
    pub(super) async fn converse(&mut self, login: &str, response: Option<Response<'_>>) -> Auth {
        let Some(mut answers) = response else {
            return Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(vec![PROMPT]),
            };
        };
        let (Some(answer), None) = (answers.next(), answers.next()) else { return refused() };
        match std::str::from_utf8(&answer) {
            Ok(password) => self.try_password(login, password).await,
            Err(_) => refused(),
        }
    }
}
