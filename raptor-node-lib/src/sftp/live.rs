//! The open sessions and their current rights.

use super::journal::Journal;
use crate::{files::Denied, link::Recheck};
use raptor_model::{
    authz::ContainerPermission,
    id::{ContainerId, UserId},
    node::SftpGrant,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// What a session may do.
#[derive(Clone)]
pub(super) struct Rights {
    /// List folders.
    pub(super) look: bool,
    /// Read files.
    pub(super) read: bool,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) read_only: bool,
    /// The reason for which every request is refused, if it is.
    pub(super) locked: Option<String>,
    pub(super) denied: Denied,
}

impl Rights {
    fn of(grant: &SftpGrant) -> Self {
        let may = |permission| grant.permissions.contains(permission);
        let writes = !grant.read_only;
        Self {
            look: may(ContainerPermission::FileRead),
            read: may(ContainerPermission::FileReadContent),
            create: writes && may(ContainerPermission::FileCreate),
            update: writes && may(ContainerPermission::FileUpdate),
            delete: writes && may(ContainerPermission::FileDelete),
            read_only: grant.read_only,
            locked: grant.locked.clone(),
            denied: Denied::new(&grant.denied),
        }
    }
}

/// An authenticated session.
pub(super) struct Live {
    pub(super) user_id: UserId,
    pub(super) container_id: ContainerId,
    pub(super) ip: IpAddr,
    /// The user name that was used: `<user>.<container>`.
    pub(super) login: String,
    /// The fingerprint of the key that was used; `None` for a password.
    pub(super) key: Option<String>,
    pub(super) epoch: i64,
    pub(super) journal: Journal,
    /// Ends the session at once, whatever it is doing.
    pub(super) cut: CancellationToken,
    /// Unix time in seconds of the last request.
    pub(super) used_at: AtomicI64,
    /// Held while asking whether this session may continue.
    pub(super) asking: tokio::sync::Mutex<()>,
    rights: RwLock<(u64, Arc<Rights>)>,
}

impl Live {
    pub(super) fn new(
        grant: &SftpGrant,
        (login, key): (String, Option<String>),
        journal: Journal,
        (ip, cut, now): (IpAddr, CancellationToken, i64),
    ) -> Self {
        Self {
            user_id: grant.user_id,
            container_id: grant.container_id,
            ip,
            login,
            key,
            epoch: grant.epoch,
            journal,
            cut,
            used_at: AtomicI64::new(now),
            asking: tokio::sync::Mutex::default(),
            rights: RwLock::new((0, Arc::new(Rights::of(grant)))),
        }
    }

    /// The current rights, and a number that changes with them.
    pub(super) fn rights(&self) -> (u64, Arc<Rights>) {
        self.rights.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the rights.
    pub(super) fn regrant(&self, grant: &SftpGrant) {
        let mut rights = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        *rights = (rights.0 + 1, Arc::new(Rights::of(grant)));
    }

    fn concerns(&self, (user, container): Recheck) -> bool {
        user.is_none_or(|user| user == self.user_id)
            && container.is_none_or(|container| container == self.container_id)
    }
}

/// All open sessions.
#[derive(Default)]
pub(super) struct Sessions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Live>>>,
}

impl Sessions {
    /// Adds a session, unless the same user already has `limit` in the same container.
    pub(super) fn add(&self, live: Arc<Live>, limit: usize) -> Option<u64> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |other: &&Arc<Live>| other.user_id == live.user_id && other.container_id == live.container_id;
        if open.values().filter(same).count() >= limit {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(id, live);
        Some(id)
    }

    pub(super) fn remove(&self, id: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The sessions that a hint is about.
    pub(super) fn concerned(&self, recheck: Recheck) -> Vec<Arc<Live>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter(|live| live.concerns(recheck)).cloned().collect()
    }
}
