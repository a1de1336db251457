//! Operations on allocations.

use super::{Allocation, MAX_AT_ONCE, check_reach, check_text, parse_ips, parse_ports};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{CreateAllocations, DeleteAllocation, ListAllocations, UpdateAllocation},
        sealed::Load,
    },
    id::AllocationId,
    live::LinkState,
    node::Protocol,
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Verb},
};
use serde::{Deserialize, Serialize};

pub use crate::store::allocations::AllocationFilter;

impl Target for Allocation {
    type Key = AllocationId;
}

impl Load<AllocationId> for Allocation {
    const WHAT: &'static str = "allocation";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: AllocationId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::allocations::find(conn, key).await?.map(|allocation| (allocation, None)))
    }
}

/// Addresses and ports to add to a daemon.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AllocationDraft {
    /// An address such as `203.0.113.7`, or a network in CIDR notation such as `203.0.113.0/28`.
    pub ip: String,
    /// Ports and ranges, with commas between them: `25565, 25570-25580`.
    pub ports: String,
    /// The name that people see in place of the address, such as `play.example.com`.
    pub alias: Option<String>,
    /// A note for those who manage allocations.
    pub note: Option<String>,
    /// Which protocols are forwarded; both unless given.
    #[serde(default)]
    pub protocol: Protocol,
}

/// How many allocations were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CreatedAllocations {
    /// How many allocations are new.
    pub created: u32,
    /// How many allocations existed already. They stay as they are.
    pub existing: u32,
    /// Whether the daemon was asked if it has the addresses. It is not while it is not connected.
    pub checked: bool,
}

/// Operations on allocations: the addresses and ports of daemons.
pub struct AllocationService<'r>(pub(crate) &'r Raptor);

impl AllocationService<'_> {
    /// A daemon's allocations, ordered by address and port.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        permit: Permit<ListAllocations>,
        filter: &AllocationFilter,
        page: &PageRequest,
    ) -> Result<Page<Allocation>> {
        let (_, daemon) = permit.consume();
        store::allocations::list(&mut self.0.inner.store.read().await?.conn(), daemon.id, filter, page).await
    }

    /// Creates allocations of a daemon. Existing ones stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::LimitReached`] for more than [`MAX_AT_ONCE`].
    pub async fn create(
        &self,
        permit: Permit<CreateAllocations>,
        draft: AllocationDraft,
    ) -> Result<CreatedAllocations> {
        let (actor, daemon) = permit.consume();
        let ips = parse_ips(&draft.ip)?;
        let connection = self.0.inner.fleet.connection(daemon.id);
        let system = connection.filter(|connection| connection.state == LinkState::Online);
        let system = system.and_then(|connection| connection.system);
        if let Some(system) = &system {
            check_reach(&ips, &daemon.name, &system.addresses, &system.ips)?;
        }
        let ips: Vec<String> = ips.into_iter().map(|ip| ip.to_string()).collect();
        let ports = parse_ports(&draft.ports)?;
        let alias = check_text("alias", draft.alias)?;
        let note = check_text("note", draft.note)?;
        if ips.len() * ports.len() > MAX_AT_ONCE {
            let count = ips.len() * ports.len();
            let message = format!("These are {count} allocations. Create at most {MAX_AT_ONCE} at once.");
            return Err(Error::limit_reached("too_many", message)
                .with("count", count)
                .with("limit", MAX_AT_ONCE));
        }
        let now = self.0.inner.clock.now();
        let mut counts = CreatedAllocations { created: 0, existing: 0, checked: system.is_some() };
        let mut tx = self.0.inner.store.begin().await?;
        for ip in &ips {
            for port in &ports {
                let texts = (alias.as_deref(), note.as_deref());
                if store::allocations::insert(
                    &mut tx.conn(),
                    daemon.id,
                    (ip, *port),
                    texts,
                    draft.protocol,
                    now,
                )
                .await?
                {
                    counts.created += 1;
                } else {
                    counts.existing += 1;
                }
            }
        }
        let activity = Activity::new(&self.0.inner.clock, &actor, "allocations.created")
            .on("daemon", daemon.id, &daemon.name)
            .with(serde_json::json!({ "ip": draft.ip, "ports": draft.ports, "created": counts.created }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Created, daemon.id));
        tx.commit().await?;
        Ok(counts)
    }

    /// Changes alias, note and protocols. Protocols apply from the container's next start.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn update(
        &self,
        permit: Permit<UpdateAllocation>,
        alias: Option<String>,
        note: Option<String>,
        protocol: Option<Protocol>,
    ) -> Result<Allocation> {
        let (actor, mut allocation) = permit.consume();
        allocation.alias = check_text("alias", alias)?;
        allocation.note = check_text("note", note)?;
        let mut tx = self.0.inner.store.begin().await?;
        let changed = protocol.filter(|protocol| *protocol != allocation.protocol);
        allocation.protocol = protocol.unwrap_or(allocation.protocol);
        let texts = (allocation.alias.as_deref(), allocation.note.as_deref());
        store::allocations::update(&mut tx.conn(), allocation.id, texts, allocation.protocol).await?;
        if let Some(container) = allocation.container.as_ref().filter(|_| changed.is_some()) {
            self.0.containers().declare_again(&mut tx, container.id).await?;
        }
        store::activity::insert(&mut tx.conn(), &self.activity(&actor, "allocation.updated", &allocation))
            .await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Updated, allocation.daemon_id));
        tx.commit().await?;
        Ok(allocation)
    }

    /// Deletes a free allocation.
    ///
    /// # Errors
    /// [`Error::Conflict`] `in_use`.
    pub async fn delete(&self, permit: Permit<DeleteAllocation>) -> Result<()> {
        let (actor, allocation) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        if !store::allocations::delete_free(&mut tx.conn(), allocation.id).await? {
            let held = store::allocations::find(&mut tx.conn(), allocation.id).await?;
            let held = held.and_then(|found| Some((found.held_by?.name, found.port)));
            return Err(match held {
                Some((holder, port)) => Error::conflict(
                    "in_use",
                    format!("{holder} still holds port {port} until it is stopped or restarted."),
                )
                .with("container", holder)
                .with("port", port),
                None => Error::conflict(
                    "in_use",
                    "A container uses this allocation. Remove it from the container first.",
                ),
            });
        }
        store::activity::insert(&mut tx.conn(), &self.activity(&actor, "allocation.deleted", &allocation))
            .await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Deleted, allocation.daemon_id));
        tx.commit().await
    }

    fn activity(&self, actor: &Actor, action: &str, allocation: &Allocation) -> Activity {
        let name = format!("{}:{}", allocation.ip, allocation.port);
        Activity::new(&self.0.inner.clock, actor, action).on("allocation", allocation.id, &name)
    }
}
