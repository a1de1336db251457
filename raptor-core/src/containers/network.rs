//! The allocations of a container.

use super::{
    Container, ContainerRef,
    lifecycle::Phase,
    service::{ContainerService, alive},
};
use crate::{
    Error, Result,
    allocations::{Allocation, Ports},
    authz::{
        Actor, Permit, SystemPermission,
        actions::{AddAllocation, RemoveAllocation},
    },
    id::{AllocationId, DaemonId},
    store::{self, Change, Subject, Tx, Verb},
};

/// The highest limit of extra allocations.
pub(crate) const MAX_ALLOCATION_LIMIT: u32 = 1_000;

impl ContainerService<'_> {
    /// Gives it another allocation: this one, or the next free one. People without `containers.update` are bound to the
    /// container's limit and to the daemon's ports for self-service.
    ///
    /// # Errors
    /// [`Error::LimitReached`] `allocations` or `allocations_held`, [`Error::Conflict`] `allocation_taken`, `allocation_held`, `allocation_reserved` or
    /// `none_free`.
    pub async fn add_allocation(
        &self,
        permit: Permit<AddAllocation>,
        id: Option<AllocationId>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        // Serialises concurrent callers: the count below holds until the commit.
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        let present = store::allocations::of_container(&mut tx.conn(), container.id).await?.len();
        if !manages(&actor) {
            within_limit(&container, present)?;
            within_held(&mut tx, &container, present, id).await?;
        }
        let first = present == 0;
        let ports = self_service(&mut tx, &actor, container.daemon_id).await?;
        match id {
            Some(id) => {
                self.claim(&mut tx, &actor, &container, id, first, ports.as_ref()).await?;
            }
            None => self.claim_next(&mut tx, &container, first, ports.as_ref()).await?,
        }
        self.changed_network(tx, &actor, "container.allocation_added", container).await
    }

    /// Takes an allocation from it. Where its process may still publish it, it is nobody else's until that has been stopped or
    /// restarted.
    ///
    /// # Errors
    /// [`Error::Conflict`] `primary` for the primary one.
    pub async fn remove_allocation(&self, permit: Permit<RemoveAllocation>, id: AllocationId) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        let of_it = store::allocations::of_container(&mut tx.conn(), container.id).await?;
        if found(&of_it, id)?.primary {
            return Err(Error::conflict(
                "primary",
                "This is the primary allocation. Make another one primary first.",
            ));
        }
        self.release(&mut tx, &container, id).await?;
        self.changed_network(tx, &actor, "container.allocation_removed", container).await
    }

    /// Gives it another free allocation in place of this one, which it no longer has afterwards. It holds from the next start on.
    /// The number of its allocations stays, so that their limit is not asked.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that it does not have, [`Error::LimitReached`] `allocations_held`, [`Error::Conflict`]
    /// `none_free`.
    pub async fn replace_allocation(&self, permit: Permit<AddAllocation>, id: AllocationId) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        let of_it = store::allocations::of_container(&mut tx.conn(), container.id).await?;
        let primary = found(&of_it, id)?.primary;
        if !manages(&actor) {
            within_held(&mut tx, &container, of_it.len(), None).await?;
        }
        let ports = self_service(&mut tx, &actor, container.daemon_id).await?;
        // The new one is looked for while the old one is still taken.
        self.claim_next(&mut tx, &container, false, ports.as_ref()).await?;
        if primary {
            let now = store::allocations::of_container(&mut tx.conn(), container.id).await?;
            let new = now.iter().find(|new| !of_it.iter().any(|old| old.id == new.id));
            let new = new.ok_or_else(|| Error::internal("an allocation that was claimed is not there"))?;
            store::allocations::set_primary(&mut tx.conn(), new.id, container.id).await?;
        }
        self.release(&mut tx, &container, id).await?;
        self.changed_network(tx, &actor, "container.allocation_replaced", container).await
    }

    /// Makes one of its allocations the primary one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that it does not have.
    pub async fn set_primary_allocation(
        &self,
        permit: Permit<AddAllocation>,
        id: AllocationId,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        if !store::allocations::set_primary(&mut tx.conn(), id, container.id).await? {
            return Err(Error::NotFound { what: "allocation" });
        }
        self.changed_network(tx, &actor, "container.primary_allocation_changed", container).await
    }

    async fn claim(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        container: &Container,
        id: AllocationId,
        primary: bool,
        ports: Option<&Ports>,
    ) -> Result<()> {
        let wanted = store::allocations::find(&mut tx.conn(), id).await?;
        let wanted = wanted.filter(|wanted| wanted.daemon_id == container.daemon_id);
        // One that it gave up and still publishes may come back, wherever it is.
        let own =
            |wanted: &Allocation| wanted.held_by.as_ref().is_some_and(|holder| holder.id == container.id);
        let outside = |ports: &Ports| {
            wanted.as_ref().is_some_and(|wanted| !own(wanted) && !ports.contains(wanted.port))
        };
        if ports.is_some_and(outside) {
            return Err(Error::conflict(
                "allocation_reserved",
                "This allocation is not among those that you can choose yourself. Ask an administrator for it.",
            ));
        }
        let names = actor.grants().contains(SystemPermission::ContainersRead);
        self.claim_this(tx, id, container, primary, names).await
    }

    async fn release(&self, tx: &mut Tx, container: &Container, id: AllocationId) -> Result<()> {
        // The revision that `changed_network` makes of it is the first one without the allocation.
        let held = self.may_run(container).then_some(container.revision + 1);
        store::allocations::release(&mut tx.conn(), id, container.id, held).await?;
        Ok(())
    }

    /// Whether a process of the container may run: where its host is not connected, nobody knows.
    pub(super) fn may_run(&self, container: &Container) -> bool {
        container.phase != Phase::Offline || !self.0.inner.fleet.is_online(container.daemon_id)
    }

    async fn changed_network(
        &self,
        mut tx: Tx,
        actor: &Actor,
        action: &str,
        mut container: Container,
    ) -> Result<()> {
        container.updated_at = self.0.inner.clock.now();
        store::containers::update(&mut tx.conn(), &container).await?;
        self.record(&mut tx, actor, action, &container, serde_json::json!({})).await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Updated, container.daemon_id));
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }
}

/// Whether the actor is bound to neither limits nor ports for self-service.
fn manages(actor: &Actor) -> bool {
    actor.grants().contains(SystemPermission::ContainersUpdate)
}

/// The ports that the actor may choose from on this daemon; none where all are open to them.
async fn self_service(tx: &mut Tx, actor: &Actor, daemon: DaemonId) -> Result<Option<Ports>> {
    if manages(actor) {
        return Ok(None);
    }
    let daemon = store::daemons::find(&mut tx.conn(), daemon).await?;
    let text = daemon.and_then(|daemon| daemon.self_service_ports);
    text.map(|text| Ports::parse("self_service_ports", &text)).transpose()
}

fn found(of_it: &[Allocation], id: AllocationId) -> Result<&Allocation> {
    of_it.iter().find(|allocation| allocation.id == id).ok_or(Error::NotFound { what: "allocation" })
}

/// The first allocation is the primary one; those beside it are counted.
fn within_limit(container: &Container, present: usize) -> Result<()> {
    let limit = usize::try_from(container.settings.allocation_limit).unwrap_or(0);
    if present <= limit {
        return Ok(());
    }
    let more = match limit {
        0 => "This container has its one allocation, and no extra ones are allowed.".to_owned(),
        1 => "This container may have 1 extra allocation.".to_owned(),
        limit => format!("This container may have {limit} extra allocations."),
    };
    Err(Error::LimitReached {
        code: "allocations",
        message: format!("{more} An administrator can raise the limit in its settings."),
    })
}

/// What a container gave up and its process still publishes is nobody else's either: it may be no more than the container may
/// have, or somebody could take every port of a host by giving up one after another. `wanted` comes back and is not counted.
async fn within_held(
    tx: &mut Tx,
    container: &Container,
    present: usize,
    wanted: Option<AllocationId>,
) -> Result<()> {
    let held = store::allocations::held_count(&mut tx.conn(), container.id, wanted).await?;
    let most =
        container.settings.allocation_limit.saturating_add(1).max(i64::try_from(present).unwrap_or(i64::MAX));
    if held < most {
        return Ok(());
    }
    Err(Error::LimitReached {
        code: "allocations_held",
        message: format!(
            "{} still holds the ports that it gave up. Restart or stop it first: then they are free, and it can be given others.",
            container.name
        ),
    })
}

/// Checks a limit of extra allocations.
///
/// # Errors
/// [`Error::Invalid`] at `allocation_limit`.
pub(super) fn check_allocation_limit(limit: u32) -> Result<i64> {
    if limit > MAX_ALLOCATION_LIMIT {
        return Err(Error::invalid(
            "allocation_limit",
            format!("Use 0 to {MAX_ALLOCATION_LIMIT} extra allocations."),
        ));
    }
    Ok(limit.into())
}

/// Why an allocation can't be claimed. `names`: whether the caller may know what other containers are called.
pub(super) async fn taken(tx: &mut Tx, daemon: DaemonId, id: AllocationId, names: bool) -> Result<Error> {
    let wanted = store::allocations::find(&mut tx.conn(), id).await?;
    let Some(wanted) = wanted.filter(|wanted| wanted.daemon_id == daemon) else {
        return Ok(Error::conflict(
            "allocation_taken",
            "This allocation belongs to another daemon, or there is none. Choose another one.",
        ));
    };
    let name = |holder: Option<&ContainerRef>| {
        holder.filter(|_| names).map_or("Another container".to_owned(), |holder| holder.name.clone())
    };
    Ok(match (&wanted.container, &wanted.held_by) {
        (None, Some(_)) => {
            Error::conflict("allocation_held", held(&name(wanted.held_by.as_ref()), wanted.port))
        }
        (holder, _) => Error::conflict(
            "allocation_taken",
            format!("{} has port {} already. Choose another allocation.", name(holder.as_ref()), wanted.port),
        ),
    })
}

/// Says that a container still publishes a port that it gave up.
pub(crate) fn held(holder: &str, port: u16) -> String {
    format!(
        "{holder} still holds port {port} until it is stopped or restarted. Choose another allocation, or restart it."
    )
}

pub(super) fn none_free(ports: Option<&Ports>) -> Error {
    let which =
        if ports.is_some() { "free allocation that you can choose yourself" } else { "free allocation" };
    Error::conflict("none_free", format!("The daemon has no {which}. An administrator can add some."))
}
