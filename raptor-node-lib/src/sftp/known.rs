//! Approved keys, stored on disk: while the control side is unavailable, they work for as long as the administrator allows.

use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::node::SftpGrant;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Most entries; the oldest are dropped first.
const MAX: usize = 10_000;

/// An approved key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// `<user>.<container>`.
    pub(super) login: String,
    /// The fingerprint of the key.
    pub(super) fingerprint: String,
    pub(super) grant: SftpGrant,
    /// When the control side last confirmed it.
    pub(super) at: DateTime<Utc>,
}

/// All approved keys.
pub(super) struct KnownKeys {
    path: PathBuf,
    entries: Mutex<BTreeMap<(String, String), Known>>,
}

impl KnownKeys {
    /// Loads the keys from `path`; none if it can't be read.
    pub(super) fn open(path: PathBuf) -> Self {
        let entries: Vec<Known> =
            fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let entries = entries.into_iter().map(|known| (key(&known.login, &known.fingerprint), known));
        Self { path, entries: Mutex::new(entries.collect()) }
    }

    /// What was granted to this key, if that is recent enough.
    pub(super) fn find(&self, login: &str, fingerprint: &str, now: DateTime<Utc>) -> Option<SftpGrant> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(&key(login, fingerprint))?;
        let keep = TimeDelta::try_seconds(i64::try_from(known.grant.keep_seconds).ok()?)?;
        // A clock that was set back must not extend it.
        (known.at <= now && now - known.at < keep).then(|| known.grant.clone())
    }

    pub(super) fn all(&self) -> Vec<Known> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Stores what the control side has just granted.
    pub(super) fn approve(&self, login: &str, fingerprint: &str, grant: &SftpGrant, now: DateTime<Utc>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if grant.keep_seconds == 0 {
            if entries.remove(&key(login, fingerprint)).is_none() {
                return;
            }
        } else {
            let known = Known {
                login: login.to_lowercase(),
                fingerprint: fingerprint.to_owned(),
                grant: grant.clone(),
                at: now,
            };
            entries.insert(key(login, fingerprint), known);
            while entries.len() > MAX {
                let oldest = entries.iter().min_by_key(|(_, known)| known.at).map(|(key, _)| key.clone());
                match oldest {
                    Some(oldest) => entries.remove(&oldest),
                    None => break,
                };
            }
        }
        self.keep(&entries);
    }

    /// Deletes a key that was rejected.
    pub(super) fn forget(&self, login: &str, fingerprint: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.remove(&key(login, fingerprint)).is_some() {
            self.keep(&entries);
        }
    }

    fn keep(&self, entries: &BTreeMap<(String, String), Known>) {
        let write = || {
            let temporary = self.path.with_extension("new");
            let mut file =
                fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
            let all: Vec<&Known> = entries.values().collect();
            file.write_all(&serde_json::to_vec(&all)?)?;
            file.sync_data()?;
            fs::rename(temporary, &self.path)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, path = %self.path.display(), "storing approved keys failed");
        }
    }
}

fn key(login: &str, fingerprint: &str) -> (String, String) {
    (login.to_lowercase(), fingerprint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_model::{
        authz::ContainerSet,
        id::{ContainerId, UserId},
    };

    fn grant(keep_seconds: u64) -> SftpGrant {
        SftpGrant {
            user_id: UserId::generate(),
            username: "steve".into(),
            container_id: ContainerId::generate(),
            permissions: ContainerSet::ALL,
            denied: Vec::new(),
            read_only: false,
            epoch: 1,
            keep_seconds,
            locked: None,
        }
    }

    #[test]
    fn an_approved_key_is_believed_for_its_time_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known.json");
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let known = KnownKeys::open(path.clone());
        known.approve("Steve.ffff0123", "SHA256:a", &grant(60), at(0));
        known.approve("steve.ffff0123", "SHA256:b", &grant(0), at(0));
        let known = KnownKeys::open(path.clone());
        assert!(known.find("steve.ffff0123", "SHA256:a", at(59)).is_some());
        assert!(known.find("steve.ffff0123", "SHA256:a", at(60)).is_none(), "its time is over");
        assert!(known.find("steve.ffff0123", "SHA256:a", at(-1)).is_none(), "the clock was set back");
        assert!(known.find("steve.ffff0123", "SHA256:b", at(0)).is_none(), "never");
        assert!(known.find("eve.ffff0123", "SHA256:a", at(0)).is_none(), "another account");
        known.forget("steve.ffff0123", "SHA256:a");
        assert!(KnownKeys::open(path).all().is_empty());
    }
}
