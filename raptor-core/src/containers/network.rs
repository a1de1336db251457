//! The allocations of a container.

use super::{
    Container,
    create::{none_free, taken},
    service::{ContainerService, alive},
};
use crate::{
    Error, Result,
    authz::{
        Actor, Permit,
        actions::{AddAllocation, RemoveAllocation},
    },
    id::AllocationId,
    store::{self, Change, Subject, Tx, Verb},
};

impl ContainerService<'_> {
    /// Gives it another allocation: this one, or the next free one.
    ///
    /// # Errors
    /// [`Error::Conflict`] `allocation_taken` or `none_free`.
    pub async fn add_allocation(
        &self,
        permit: Permit<AddAllocation>,
        id: Option<AllocationId>,
    ) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        let first = store::allocations::of_container(&mut tx.conn(), container.id).await?.is_empty();
        match id {
            Some(id)
                if store::allocations::claim(
                    &mut tx.conn(),
                    id,
                    container.daemon_id,
                    container.id,
                    first,
                )
                .await? => {}
            Some(_) => return Err(taken()),
            None if store::allocations::claim_free(
                &mut tx.conn(),
                container.daemon_id,
                container.id,
                first,
            )
            .await? => {}
            None => return Err(none_free()),
        }
        self.changed_network(tx, &actor, "container.allocation_added", container).await
    }

    /// Takes an allocation from it.
    ///
    /// # Errors
    /// [`Error::Conflict`] `primary` for the primary one.
    pub async fn remove_allocation(&self, permit: Permit<RemoveAllocation>, id: AllocationId) -> Result<()> {
        let (actor, target) = permit.consume();
        let mut tx = self.0.store.begin().await?;
        let container = alive(&mut tx, target.container.id).await?;
        let of_it = store::allocations::of_container(&mut tx.conn(), container.id).await?;
        let found = of_it
            .iter()
            .find(|allocation| allocation.id == id)
            .ok_or(Error::NotFound { what: "allocation" })?;
        if found.primary {
            return Err(Error::conflict(
                "primary",
                "This is the primary allocation. Make another one primary first.",
            ));
        }
        store::allocations::release(&mut tx.conn(), id, container.id).await?;
        self.changed_network(tx, &actor, "container.allocation_removed", container).await
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
        let mut tx = self.0.store.begin().await?;
        store::daemons::lock(&mut tx.conn(), target.container.daemon_id).await?;
        let container = alive(&mut tx, target.container.id).await?;
        if !store::allocations::set_primary(&mut tx.conn(), id, container.id).await? {
            return Err(Error::NotFound { what: "allocation" });
        }
        self.changed_network(tx, &actor, "container.primary_allocation_changed", container).await
    }

    async fn changed_network(
        &self,
        mut tx: Tx,
        actor: &Actor,
        action: &str,
        mut container: Container,
    ) -> Result<()> {
        container.updated_at = self.0.clock.now();
        store::containers::update(&mut tx.conn(), &container).await?;
        self.record(&mut tx, actor, action, &container, serde_json::json!({})).await?;
        tx.emit(Change::new(Subject::Allocation, Verb::Updated, container.daemon_id));
        self.tell_host(&mut tx, &container).await?;
        tx.commit().await
    }
}
