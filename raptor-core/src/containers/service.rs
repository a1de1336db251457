//! Operations on containers.

use super::{
    Container,
    lifecycle::Phase,
    list_cache::{Key, Stored},
    spec,
    view::{ContainerSummary, ContainerView, Visible},
};
use crate::{
    Error, Raptor, Result,
    activity::{
        Activity, ActivityFilter,
        deferred::{self, CompletedAction},
        redact::redact,
    },
    allocations::Allocation,
    authz::{
        Act, Actor, ContainerSet, Permit, SystemPermission,
        actions::{CreateContainer, DeleteContainer, ReadContainerActivity, SeeContainer},
        policy::{Verdict, container_permissions, decide},
        sealed::Load,
    },
    id::{ContainerId, DaemonId},
    jobs::Kind,
    node::ContainerStatus,
    paging::{Page, PageRequest},
    store::{self, Change, Conn, Subject, Tx, Verb},
    templates::Template,
    warnings::warn_of,
};
use std::{collections::HashMap, sync::Arc};

pub use super::{change::StartupChange, create::NewContainer, power::LiveStream};
pub use raptor_model::containers::{Access, ContainerFilter, Sort};

/// A container in a list, with the actor's rights on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub container: Arc<Container>,
    /// What the actor may do with it, by role and by access.
    pub permissions: ContainerSet,
    /// Its allocations, the primary one first.
    pub allocations: Arc<[Allocation]>,
}

/// Operations on containers: creating, changing, controlling and deleting them.
pub struct ContainerService<'r>(pub(crate) &'r Raptor);

impl ContainerService<'_> {
    /// The containers that the actor may see.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &ContainerFilter,
        page: &PageRequest,
    ) -> Result<Page<ContainerSummary>> {
        let page = self.listed(actor, filter, page).await?;
        let mut live = self.0.inner.fleet.containers(page.items.iter().map(|listed| &listed.container.id));
        Ok(page.map(|Listed { container, permissions, allocations }| {
            ContainerSummary::new(&container, permissions, &allocations, live.remove(&container.id))
        }))
    }

    /// Like [`Self::list`], before redaction.
    pub(crate) async fn listed(
        &self,
        actor: &Actor,
        filter: &ContainerFilter,
        page: &PageRequest,
    ) -> Result<Page<Listed>> {
        let only_theirs = filter.mine || !actor.grants().contains(SystemPermission::ContainersRead);
        let key = Key { user: actor.user_id(), only_theirs, filter: filter.clone(), page: page.clone() };
        let stored = self.0.inner.lists.get_or_read(key.clone(), || self.read_list(&key)).await?;
        let listed = |(container, access, allocations): &(Arc<Container>, _, Arc<[Allocation]>)| Listed {
            container: container.clone(),
            permissions: container_permissions(actor.grants(), *access),
            allocations: allocations.clone(),
        };
        Ok(Page {
            items: stored.items.iter().map(listed).collect(),
            next: stored.next.clone(),
            total: stored.total,
        })
    }

    async fn read_list(&self, key: &Key) -> Result<Stored> {
        let mut reader = self.0.inner.store.read().await?;
        let Key { user, only_theirs, filter, page } = key;
        let page = store::container_list::list(&mut reader.conn(), *user, *only_theirs, filter, page).await?;
        let ids: Vec<ContainerId> = page.items.iter().map(|(container, _)| container.id).collect();
        let mut of_each: HashMap<ContainerId, Vec<Allocation>> = HashMap::new();
        for allocation in store::allocations::of_containers(&mut reader.conn(), &ids).await? {
            if let Some(container) = &allocation.container {
                of_each.entry(container.id).or_default().push(allocation);
            }
        }
        Ok(Arc::new(page.map(|(container, access)| {
            let allocations = of_each.remove(&container.id).unwrap_or_default();
            (Arc::new(container), access, allocations.into())
        })))
    }

    /// One container, without those parts that the actor may not see.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted in the meantime.
    pub async fn get(&self, permit: Permit<SeeContainer>) -> Result<ContainerView> {
        let (actor, visible) = permit.consume();
        self.view(&actor, visible).await
    }

    /// Creates a container, and returns what the actor sees of it. If it belongs to somebody else and the actor may not see
    /// such containers, that is what they have just entered.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub async fn create_and_get(
        &self,
        permit: Permit<CreateContainer>,
        new: NewContainer,
    ) -> Result<ContainerView> {
        let actor = permit.actor().clone();
        let id = self.create(permit, new).await?;
        let visible = {
            let mut reader = self.0.inner.store.read().await?;
            Visible::load(&mut reader.conn(), &actor, id).await?
        };
        let (visible, _) = visible.ok_or(Error::NotFound { what: "container" })?;
        self.view(&actor, visible).await
    }

    async fn view(&self, actor: &Actor, visible: Visible) -> Result<ContainerView> {
        let id = visible.container.id;
        let (allocations, template) = {
            let mut reader = self.0.inner.store.read().await?;
            let allocations = store::allocations::of_container(&mut reader.conn(), id).await?;
            (allocations, template(&mut reader.conn(), &visible.container).await?)
        };
        let live = self.0.inner.fleet.containers(std::iter::once(&id)).remove(&id);
        let choice = self.0.images().choice(&visible, &template).await?;
        Ok(ContainerView::new(actor, visible, &allocations, live, template, choice))
    }

    /// The id of the container with this short id; `None` if there is no such container or the actor may not see it. Short ids
    /// are the first eight hex digits of an id, in upper or lower case.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn id_of(&self, actor: &Actor, short_id: &str) -> Result<Option<ContainerId>> {
        let mut reader = self.0.inner.store.read().await?;
        let short_id = short_id.to_ascii_lowercase();
        let found =
            store::containers::find_by_short_id(&mut reader.conn(), &short_id, actor.user_id()).await?;
        Ok(found.and_then(|(container, held)| {
            let access = held.map(|held| held.permissions);
            let verdict = decide(actor.grants(), access, SeeContainer::ACTION);
            (verdict == Verdict::Allow).then_some(container.id)
        }))
    }

    /// Deletes the container with its files: from the panel at once, from its host as soon as that can be reached. With
    /// `force`, the record is deleted without waiting for the host.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn delete(&self, permit: Permit<DeleteContainer>, force: bool) -> Result<()> {
        let (actor, target) = permit.consume();
        let id = target.container.id;
        let mut tx = self.0.inner.store.begin().await?;
        let Some((container, _)) = store::containers::find(&mut tx.conn(), id, None).await? else {
            return Err(Error::NotFound { what: "container" });
        };
        let now = self.0.inner.clock.now();
        store::jobs::forget(&mut tx.conn(), id).await?;
        self.record(&mut tx, &actor, "container.deleted", &container, serde_json::json!({ "force": force }))
            .await?;
        if force {
            // Its process may keep running until the host has received the removal.
            let held = self.may_run(&container);
            store::allocations::release_all(&mut tx.conn(), id, held).await?;
            store::containers::delete(&mut tx.conn(), id).await?;
            tx.emit(Change::new(Subject::Container, Verb::Deleted, id));
        } else {
            store::containers::set_deleting(&mut tx.conn(), id, now).await?;
            tx.emit(Change::new(Subject::Container, Verb::Updated, id));
        }
        // Also with `force`: a host should not keep containers that nobody knows of.
        store::jobs::insert(&mut tx.conn(), Kind::Remove, container.daemon_id, id, now).await?;
        tx.emit(Change::new(Subject::Job, Verb::Created, container.daemon_id));
        tx.commit().await
    }

    /// Deletes the record and its allocations, after the host has removed the container.
    pub(crate) async fn forget(&self, id: ContainerId) -> Result<()> {
        let mut tx = self.0.inner.store.begin().await?;
        store::allocations::release_all(&mut tx.conn(), id, false).await?;
        store::allocations::free_unpublished(&mut tx.conn(), id, None).await?;
        store::containers::delete(&mut tx.conn(), id).await?;
        tx.emit(Change::new(Subject::Container, Verb::Deleted, id));
        tx.commit().await?;
        self.0.inner.fleet.forget(id);
        Ok(())
    }

    /// Sends the newest declaration to the host if it does not have it.
    pub(crate) async fn sync(&self, id: ContainerId) -> Result<()> {
        let (container, allocations, template, images) = {
            let mut reader = self.0.inner.store.read().await?;
            let found = store::containers::find(&mut reader.conn(), id, None).await?;
            let (container, _) = found
                .filter(|(container, _)| !container.deleting)
                .ok_or(Error::NotFound { what: "container" })?;
            let allocations = store::allocations::of_container(&mut reader.conn(), id).await?;
            let template = template(&mut reader.conn(), &container).await?;
            let images = store::images::policy(&mut reader.conn()).await?;
            (container, allocations, template, images)
        };
        if container.synced_revision >= container.revision {
            return Ok(());
        }
        whole(&container)?;
        let spec = spec::spec(&container, &template, &allocations, &images)?;
        let status = self.0.inner.fleet.node(container.daemon_id)?.declare(spec).await?;
        let noted = async {
            let mut tx = self.0.inner.store.begin().await?;
            let found = store::containers::find(&mut tx.conn(), id, None).await?;
            if found.is_none_or(|(container, _)| container.deleting) {
                // Deleted while the declaration was on its way, which may have arrived after the removal.
                self.remove_again(&mut tx, container.daemon_id, id).await?;
                tx.commit().await?;
                return Err(Error::NotFound { what: "container" });
            }
            store::containers::set_synced(&mut tx.conn(), id, container.revision).await?;
            free_unpublished(&mut tx, container.daemon_id, &status).await?;
            tx.commit().await
        };
        match noted.await {
            // The host has it. It is sent again once the database can store that.
            Err(error @ Error::Unavailable { .. }) => {
                warn_of!(self.0, error, %id, "a container was declared to its host, but recording that failed");
                Ok(())
            }
            noted => noted,
        }
    }

    /// Makes the host remove a container that is no longer in the database, in case it knows of it.
    pub(crate) async fn remove_again(&self, tx: &mut Tx, daemon: DaemonId, id: ContainerId) -> Result<()> {
        store::jobs::insert(&mut tx.conn(), Kind::Remove, daemon, id, self.0.inner.clock.now()).await?;
        tx.emit(Change::new(Subject::Job, Verb::Created, daemon));
        Ok(())
    }

    /// The container's activity, newest first, without what the actor may not see of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list.
    pub async fn activity(
        &self,
        permit: Permit<ReadContainerActivity>,
        page: &PageRequest,
    ) -> Result<Page<Activity>> {
        let (actor, target) = permit.consume();
        let filter = ActivityFilter { container_id: Some(target.container.id), ..ActivityFilter::default() };
        let page = store::activity::list(&mut self.0.inner.store.read().await?.conn(), &filter, page).await?;
        Ok(page.map(|mut row| {
            redact(&mut row, &actor, &target);
            row
        }))
    }

    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &str,
        container: &Container,
        detail: serde_json::Value,
    ) -> Result<()> {
        let activity = self.new_activity(actor, action, container, detail);
        store::activity::insert(&mut tx.conn(), &activity).await
    }

    pub(super) fn new_activity(
        &self,
        actor: &Actor,
        action: &str,
        container: &Container,
        detail: serde_json::Value,
    ) -> Activity {
        Activity::new(&self.0.inner.clock, actor, action)
            .on("container", container.id, &container.name)
            .in_container(container.id)
            .with(detail)
    }

    /// Records an action on the container's host, later if the database accepts no writes now.
    pub(crate) async fn note(
        &self,
        actor: &Actor,
        action: &str,
        container: &Container,
        detail: serde_json::Value,
    ) -> Result<()> {
        let activity = self.new_activity(actor, action, container, detail);
        deferred::record(self.0, CompletedAction { activity, command: None }).await
    }
}

/// Frees removed allocations once the container's process was created without them, or there is none.
pub(crate) async fn free_unpublished(tx: &mut Tx, daemon: DaemonId, status: &ContainerStatus) -> Result<()> {
    let without = match status.process_revision {
        _ if status.phase == Phase::Offline => None,
        Some(revision) => Some(i64::try_from(revision).unwrap_or(i64::MAX)),
        // An older host, which does not report it.
        None => return Ok(()),
    };
    if store::allocations::free_unpublished(&mut tx.conn(), status.id, without).await? {
        tx.emit(Change::new(Subject::Allocation, Verb::Updated, daemon));
    }
    Ok(())
}

/// The template in the revision that the container uses.
pub(super) async fn template(conn: &mut Conn<'_>, container: &Container) -> Result<Template> {
    let found = store::templates::revision(conn, container.template_id, container.template_revision).await?;
    found.ok_or(Error::NotFound { what: "template" })
}

/// The current record, unless it is being deleted.
pub(super) async fn alive(tx: &mut Tx, id: ContainerId) -> Result<Container> {
    let found = store::containers::find(&mut tx.conn(), id, None).await?;
    let (container, _) = found.ok_or(Error::NotFound { what: "container" })?;
    if container.deleting {
        return Err(Error::conflict("deleting", "This container is being deleted."));
    }
    whole(&container)?;
    Ok(container)
}

/// Refuses a damaged record, so that no guessed values are written or sent to the host.
fn whole(container: &Container) -> Result<()> {
    if container.damaged.is_empty() {
        return Ok(());
    }
    let columns = container.damaged.join(", ");
    let message = format!(
        "The database's record of this container is damaged ({columns}), so it can't be changed. Restore it from a backup of the \
         database, or delete the container."
    );
    Err(Error::conflict("damaged", message))
}
