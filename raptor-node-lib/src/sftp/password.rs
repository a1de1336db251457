//! Password authentication: sent at once ("password"), or asked for by the server ("keyboard-interactive"). PuTTY, WinSCP and
//! OpenSSH try the second first and then the first, with a password that was typed once.

use super::peer::{Peer, refused};
use russh::server::{Auth, Response};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::HashSet};

/// The prompt, without echo.
const PROMPT: (Cow<'static, str>, bool) = (Cow::Borrowed("Password: "), false);

/// Passwords that were rejected on this connection. The same password is rejected again without asking: it counts as one
/// attempt.
#[derive(Default)]
pub(super) struct Refused(HashSet<[u8; 32]>);

impl Refused {
    fn digest(login: &str, password: &str) -> [u8; 32] {
        // The length separates login and password.
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

    /// Asks for the password, or takes the answer.
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
