//! Assigning allocations to containers: only free ones, and none whose port is held on the host by a container that Raptor does
//! not know.

use super::{
    Container,
    network::{none_free, taken},
    service::ContainerService,
};
use crate::{
    Result,
    allocations::{Ports, service::AllocationFilter},
    daemons::strays,
    id::AllocationId,
    paging::{MAX_LIMIT, PageRequest},
    store::{self, Tx},
};

impl ContainerService<'_> {
    /// Assigns these allocations to a new container, the first one being the primary, or else `count` free ones. `names`:
    /// whether the caller may learn the names of other containers.
    pub(super) async fn claim_all(
        &self,
        tx: &mut Tx,
        container: &Container,
        ids: &[AllocationId],
        count: u32,
        names: bool,
    ) -> Result<()> {
        for (place, id) in ids.iter().enumerate() {
            self.claim_by_id(tx, *id, container, place == 0, names).await?;
        }
        let count = if ids.is_empty() { count } else { 0 };
        for place in 0..count {
            self.claim_lowest_free(tx, container, place == 0, None).await?;
        }
        Ok(())
    }

    /// Assigns this allocation to the container. `names`: whether the caller may learn the names of other containers.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) `allocation_taken`, `allocation_held` or `port_held`.
    pub(super) async fn claim_by_id(
        &self,
        tx: &mut Tx,
        id: AllocationId,
        container: &Container,
        primary: bool,
        names: bool,
    ) -> Result<()> {
        let strays = self.0.inner.fleet.strays(container.daemon_id);
        if !strays.is_empty()
            && let Some(allocation) = store::allocations::find(&mut tx.conn(), id).await?
            && allocation.daemon_id == container.daemon_id
        {
            strays::check_held(&strays, &allocation, names)?;
        }
        let daemon = container.daemon_id;
        if store::allocations::claim(&mut tx.conn(), id, daemon, container.id, primary).await? {
            return Ok(());
        }
        Err(taken(tx, daemon, id, names).await?)
    }

    /// Assigns the lowest free allocation, within `ports` if given, whose port is not held on the host.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) `none_free`.
    pub(super) async fn claim_lowest_free(
        &self,
        tx: &mut Tx,
        container: &Container,
        primary: bool,
        ports: Option<&Ports>,
    ) -> Result<()> {
        let (daemon, id) = (container.daemon_id, container.id);
        let strays = self.0.inner.fleet.strays(daemon);
        if strays.is_empty() {
            let claimed = store::allocations::claim_free(&mut tx.conn(), daemon, id, primary, ports).await?;
            return if claimed { Ok(()) } else { Err(none_free(ports)) };
        }
        let filter = AllocationFilter { search: None, free: Some(true) };
        let mut page = PageRequest { limit: MAX_LIMIT, ..PageRequest::default() };
        loop {
            let free = store::allocations::list(&mut tx.conn(), daemon, &filter, &page).await?;
            let usable = free.items.iter().filter(|allocation| {
                allocation.held_by.is_none()
                    && ports.is_none_or(|ports| ports.contains(allocation.port))
                    && strays::holder(&strays, allocation).is_none()
            });
            for allocation in usable {
                if store::allocations::claim(&mut tx.conn(), allocation.id, daemon, id, primary).await? {
                    return Ok(());
                }
            }
            page.cursor = free.next;
            if page.cursor.is_none() {
                return Err(none_free(ports));
            }
        }
    }
}
