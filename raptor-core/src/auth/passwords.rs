//! Password hashes: bcrypt, off the async threads, so many at once and no more.

use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// bcrypt reads 72 bytes, a closing NUL included, and ignores the rest in silence.
const BCRYPT_MAX: usize = 71;

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    cost: u32,
    // A hash that no password has, of the same cost: what an unknown user's password is compared with.
    nobody: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) async fn new(cost: u32) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new((cores / 2).max(1)));
        let mut passwords = Self { cost, nobody: "".into(), turns };
        passwords.nobody = passwords.hash(uuid::Uuid::now_v7().to_string()).await?.into();
        Ok(passwords)
    }

    /// The hash of `password`, which may be of any length.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        self.run(move || bcrypt::non_truncating_hash(fitting(password), cost)).await
    }

    /// Whether `password` is the one of `hash`; takes as long without a hash.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.to_string());
        let same = self.run(move || bcrypt::non_truncating_verify(fitting(password), &hash)).await?;
        Ok(known && same)
    }

    /// Whether `hash` was made at another cost than is wanted now.
    pub(crate) fn outdated(&self, hash: &str) -> bool {
        hash.split('$').nth(2).and_then(|cost| cost.parse().ok()) != Some(self.cost)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> bcrypt::BcryptResult<T> + Send + 'static,
    ) -> Result<T> {
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, which costs a thousandth of a hash: its priority can't be raised again afterwards.
        let begun = std::thread::Builder::new().name("password".into()).spawn(move || {
            yield_to_others();
            let _ = tell.send(work());
        });
        begun.map_err(Error::internal)?;
        told.await.map_err(Error::internal)?.map_err(Error::internal)
    }
}

/// A hash takes a whole core for a quarter of a second; whoever only wants to look at a page should not wait for it.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    /// Of 20: about a third of another thread's share when there is not enough for both.
    const NICE: i32 = 5;
    // Linux counts priorities by thread. Without it a hash is only ruder.
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, now.saturating_add(NICE).min(19));
    }
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// A password that is too long for bcrypt goes in as its digest.
fn fitting(password: String) -> String {
    if password.len() <= BCRYPT_MAX && !password.contains('\0') {
        return password;
    }
    STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, password.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_more_than_its_first_72_bytes() {
        let passwords = Passwords::new(4).await.unwrap();
        let long = "a".repeat(100);
        let hash = passwords.hash(long.clone()).await.unwrap();
        assert!(passwords.verify(long, Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("a".repeat(99), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_user_has_no_password() {
        let passwords = Passwords::new(4).await.unwrap();
        assert!(!passwords.verify("anything".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated() {
        let passwords = Passwords::new(4).await.unwrap();
        assert!(!passwords.outdated(&passwords.hash("x".into()).await.unwrap()));
        assert!(passwords.outdated("$2b$12$abcdefghijklmnopqrstuv"));
    }
}
