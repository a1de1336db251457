//! Hosts within this process. Each has its own record, which is found by its name at the next start.

use super::{Daemon, DaemonDraft, service::DaemonService};
use crate::{
    Error, Result,
    allocations::service::AllocationDraft,
    authz::{Actor, actions::CreateAllocations},
    id::DaemonId,
    node::{Node, Protocol},
    store,
};
use std::sync::Arc;

/// The address in the record of the local host without a name.
pub(crate) const HOST: &str = "localhost";
/// The longest name of a local host, in bytes.
const MAX_NAME: usize = 40;

/// A host within this process.
pub(crate) struct LocalNode {
    /// `None` for the one host without a name.
    pub(crate) name: Option<String>,
    pub(crate) node: Arc<dyn Node>,
    /// The ports of the allocations created with its record.
    pub(crate) ports: String,
}

impl LocalNode {
    /// # Errors
    /// [`Error::Invalid`] at `local_node` if the name is invalid.
    pub(crate) fn check(&self) -> Result<()> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match &self.name {
            Some(name) if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(allowed) => {
                let why = format!(
                    "Use a name of 1 to {MAX_NAME} characters of a-z, 0-9 and \"-\" for a local node."
                );
                Err(Error::invalid("local_node", why))
            }
            _ => Ok(()),
        }
    }
}

/// The address in the record of the local host with this name. Names below `localhost` always refer to this machine (RFC 6761).
pub(crate) fn host(name: &str) -> String {
    format!("{name}.{HOST}")
}

/// Whether the record belongs to a local host with a name, which the embedding program may no longer run.
pub(super) fn is_named(daemon: &Daemon) -> bool {
    daemon.local && daemon.host != HOST
}

impl DaemonService<'_> {
    /// Ensures that this local host has a record, with some allocations if it is new, and that no other process deletes it while
    /// this one lives.
    pub(crate) async fn ensure_local(&self, host: &str, local: &LocalNode) -> Result<()> {
        loop {
            let id = match self.local_id(host).await? {
                Some(id) => id,
                None => match self.create_local(host, local).await {
                    // Another process was faster: with this host, or with its name.
                    Err(Error::Conflict { code: "name_taken", .. }) => continue,
                    created => created?,
                },
            };
            self.0.inner.store.claim(id).await?;
            // Until then another process may have deleted it.
            if self.local_id(host).await? == Some(id) {
                return Ok(());
            }
        }
    }

    /// The record of the local host with this address.
    async fn local_id(&self, host: &str) -> Result<Option<DaemonId>> {
        let daemons = store::daemons::list(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(daemons.into_iter().find(|daemon| daemon.local && daemon.host == host).map(|daemon| daemon.id))
    }

    async fn create_local(&self, host: &str, local: &LocalNode) -> Result<DaemonId> {
        let daemons = store::daemons::list(&mut self.0.inner.store.read().await?.conn()).await?;
        let name = local.name.as_deref().unwrap_or("This host");
        let taken = |name: &str| daemons.iter().any(|daemon| daemon.name.eq_ignore_ascii_case(name));
        // A daemon that already has this name keeps it.
        let numbered = (2..).map(|number| format!("{name} {number}"));
        let name = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name));
        let draft = DaemonDraft {
            name: name.unwrap_or_default(),
            host: host.to_owned(),
            port: 0,
            transport: None,
            memory_limit_mib: None,
            disk_limit_mib: None,
            sftp_read_only: false,
            sftp_offline_hours: None,
            self_service_ports: None,
        };
        let (daemon, _) = self.insert(&Actor::System, draft, true).await?;
        let permit = self.0.authz().permit::<CreateAllocations>(&Actor::System, daemon.id).await?;
        let draft = AllocationDraft {
            ip: "0.0.0.0".into(),
            ports: local.ports.clone(),
            alias: None,
            note: None,
            protocol: Protocol::Both,
        };
        self.0.allocations().create(permit, draft).await?;
        Ok(daemon.id)
    }
}
