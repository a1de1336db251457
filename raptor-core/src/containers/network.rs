//! A container's allocations.

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

/// The highest allowed limit of extra allocations.
pub(crate) const MAX_ALLOCATION_LIMIT: u32 = 1_000;

impl ContainerService<'_> {
    /// Adds an allocation: the given one, or the next free one. People without `containers.update` are bound by the container's
    /// limit and by the daemon's ports for self-service.
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
            None => self.claim_lowest_free(&mut tx, &container, first, ports.as_ref()).await?,
        }
        self.changed_network(tx, &actor, "container.allocation_added", container).await
    }

    /// Removes an allocation. While the container's process may still publish it, nobody else can claim it.
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

    /// Replaces an allocation by another free one, effective from the next start. Since the number of allocations stays the
    /// same, the limit does not apply.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the container does not have it, [`Error::LimitReached`] `allocations_held`, [`Error::Conflict`]
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
        // The new one is chosen before the old one is released, so that it can't be the same.
        self.claim_lowest_free(&mut tx, &container, false, ports.as_ref()).await?;
        if primary {
            let now = store::allocations::of_container(&mut tx.conn(), container.id).await?;
            let new = now.iter().find(|new| !of_it.iter().any(|old| old.id == new.id));
            let new =
                new.ok_or_else(|| Error::internal("an allocation that was just claimed does not exist"))?;
            store::allocations::set_primary(&mut tx.conn(), new.id, container.id).await?;
        }
        self.release(&mut tx, &container, id).await?;
        self.changed_network(tx, &actor, "container.allocation_replaced", container).await
    }

    /// Makes one of the container's allocations the primary one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the container does not have it.
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
        // An allocation that the container still publishes can be added back regardless of the ports for self-service.
        let own =
            |wanted: &Allocation| wanted.held_by.as_ref().is_some_and(|holder| holder.id == container.id);
        let outside = |ports: &Ports| {
            wanted.as_ref().is_some_and(|wanted| !own(wanted) && !ports.contains(wanted.port))
        };
        if ports.is_some_and(outside) {
            return Err(Error::conflict(
                "allocation_reserved",
                "You can't choose this allocation yourself. Ask an administrator for it.",
            ));
        }
        let names = actor.grants().contains(SystemPermission::ContainersRead);
        self.claim_by_id(tx, id, container, primary, names).await
    }

    async fn release(&self, tx: &mut Tx, container: &Container, id: AllocationId) -> Result<()> {
        // The revision that `changed_network` creates is the first without the allocation.
        let held = self.may_run(container).then_some(container.revision + 1);
        store::allocations::release(&mut tx.conn(), id, container.id, held).await?;
        Ok(())
    }

    /// Whether a process of the container may be running. Unknown while its host is not connected, which counts as yes.
    pub(super) fn may_run(&self, container: &Container) -> bool {
        let fleet = &self.0.inner.fleet;
        // What the host said last is newer than what is stored of it, which is written afterwards.
        let told = fleet.containers(std::iter::once(&container.id)).remove(&container.id);
        told.map_or(container.phase, |live| live.phase) != Phase::Offline
            || !fleet.is_online(container.daemon_id)
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

/// Whether the actor is exempt from limits and self-service ports.
fn manages(actor: &Actor) -> bool {
    actor.grants().contains(SystemPermission::ContainersUpdate)
}

/// The ports that the actor may choose from on this daemon; `None` = all.
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

/// Checks the limit. The primary allocation does not count.
fn within_limit(container: &Container, present: usize) -> Result<()> {
    let limit = usize::try_from(container.settings.allocation_limit).unwrap_or(0);
    if present <= limit {
        return Ok(());
    }
    let more = match limit {
        0 => "This container can't have more than its one allocation.".to_owned(),
        1 => "This container may have 1 extra allocation.".to_owned(),
        limit => format!("This container may have {limit} extra allocations."),
    };
    let message = format!("{more} An administrator can raise the limit in its settings.");
    Err(Error::limit_reached("allocations", message).with("limit", limit))
}

/// Checks the number of removed allocations that the process still publishes, which nobody else can claim. Without this limit,
/// somebody could take every port of a host by removing one after another. `wanted` is being added back and does not count.
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
    let message = format!(
        "{} still uses the ports that were removed from it. Restart or stop it to free them, then try again.",
        container.name
    );
    Err(Error::limit_reached("allocations_held", message).with("container", container.name.as_str()))
}

/// Validates a limit of extra allocations.
///
/// # Errors
/// [`Error::Invalid`] at `allocation_limit`.
pub(super) fn check_allocation_limit(limit: u32) -> Result<i64> {
    if limit > MAX_ALLOCATION_LIMIT {
        return Err(Error::invalid(
            "allocation_limit",
            format!("Use 0 to {MAX_ALLOCATION_LIMIT} extra allocations."),
        )
        .because("range")
        .with("min", 0)
        .with("max", MAX_ALLOCATION_LIMIT));
    }
    Ok(limit.into())
}

/// The error for an allocation that can't be claimed. `names`: whether the caller may learn the names of other containers.
pub(super) async fn taken(tx: &mut Tx, daemon: DaemonId, id: AllocationId, names: bool) -> Result<Error> {
    let wanted = store::allocations::find(&mut tx.conn(), id).await?;
    let Some(wanted) = wanted.filter(|wanted| wanted.daemon_id == daemon) else {
        return Ok(Error::conflict(
            "allocation_taken",
            "This allocation belongs to another daemon or does not exist. Choose another one.",
        ));
    };
    let name = |holder: Option<&ContainerRef>| {
        holder.filter(|_| names).map_or("Another container".to_owned(), |holder| holder.name.clone())
    };
    // A hidden name is not a value that a translation could show.
    Ok(match (&wanted.container, &wanted.held_by) {
        (None, Some(_)) => {
            let holder = name(wanted.held_by.as_ref());
            match Error::conflict("allocation_held", held(&holder, wanted.port)).with("port", wanted.port) {
                error if names => error.with("container", holder),
                error => error,
            }
        }
        (holder, _) => {
            let holder = name(holder.as_ref());
            let message = format!("{holder} has port {} already. Choose another allocation.", wanted.port);
            match Error::conflict("allocation_taken", message).with("port", wanted.port) {
                error if names => error.with("container", holder),
                error => error,
            }
        }
    })
}

/// The sentence for a port that a container no longer has but still publishes.
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
