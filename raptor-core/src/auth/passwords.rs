//! Password hashing with bcrypt, on a limited number of threads of its own.

use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// bcrypt uses 72 bytes including a terminating NUL, and silently ignores the rest.
const BCRYPT_MAX: usize = 71;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    cost: u32,
    // A hash of the same cost that matches no password; compared with when the user is unknown, to take the same time.
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

    /// Hashes `password`, which may be of any length.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        self.run(move || bcrypt::non_truncating_hash(fitting(password), cost)).await
    }

    /// Whether `password` matches `hash`. Takes as long if there is no hash.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.to_string());
        let same = self.run(move || bcrypt::non_truncating_verify(fitting(password), &hash)).await?;
        Ok(known && same)
    }

    /// Whether `hash` was created with a cost other than the current one.
    pub(crate) fn outdated(&self, hash: &str) -> bool {
        hash.split('$').nth(2).and_then(|cost| cost.parse().ok()) != Some(self.cost)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> bcrypt::BcryptResult<T> + Send + 'static,
    ) -> Result<T> {
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, which takes a thousandth of the hash: an unprivileged thread can't raise its priority again.
        let begun = std::thread::Builder::new().name("password".into()).spawn(move || {
            yield_to_others();
            let _ = tell.send(work());
        });
        begun.map_err(Error::internal)?;
        told.await.map_err(Error::internal)?.map_err(Error::internal)
    }
}

/// Lowers the thread's priority: a hash takes a whole core for a quarter of a second, and page loads should not wait for it.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    /// Of 20. With it the thread gets about a third of another's share when both compete for a core.
    const NICE: i32 = 5;
    // On Linux priorities are per thread. If it fails, hashing just competes harder.
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, now.saturating_add(NICE).min(19));
    }
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

/// The input for bcrypt: the digest of the password if that is too long.
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
