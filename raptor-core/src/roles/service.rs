//! Operations on roles.

use super::{Builtin, Role, RoleDraft, RoleSummary};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permission, Permit, SystemSet, Target,
        actions::{CreateRole, DeleteRole, ListRoles, ReadRole, UpdateRole},
        sealed::Load,
    },
    id::RoleId,
    store::{self, Change, Conn, Subject, Tx, Verb},
};

impl Target for Role {
    type Key = RoleId;
}

impl Load<RoleId> for Role {
    const WHAT: &'static str = "role";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: RoleId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::roles::find(conn, key).await?.map(|role| (role, None)))
    }
}

/// Operations on roles, built in or not.
pub struct RoleService<'r>(pub(crate) &'r Raptor);

impl RoleService<'_> {
    /// All roles, each with the number of its users.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, permit: Permit<ListRoles>) -> Result<Vec<RoleSummary>> {
        let _ = permit.consume();
        store::roles::list(&mut self.0.inner.store.read().await?.conn()).await
    }

    /// One role with the number of its users.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, permit: Permit<ReadRole>) -> Result<RoleSummary> {
        let (_, role) = permit.consume();
        let user_count =
            store::roles::user_count(&mut self.0.inner.store.read().await?.conn(), role.id).await?;
        Ok(RoleSummary { role, user_count })
    }

    /// A built-in role.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn builtin(&self, role: Builtin) -> Result<Role> {
        store::roles::builtin(&mut self.0.inner.store.read().await?.conn(), role)
            .await?
            .ok_or_else(|| Error::internal("the built-in roles are missing"))
    }

    /// Creates a role.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] `name_taken`, [`Error::Forbidden`] for permissions that the actor lacks.
    pub async fn create(&self, permit: Permit<CreateRole>, draft: RoleDraft) -> Result<Role> {
        let (actor, ()) = permit.consume();
        let draft = draft.checked()?;
        held(&actor, draft.permissions)?;
        let now = self.0.inner.clock.now();
        let mut role = Role {
            id: RoleId::generate(),
            number: 0,
            name: draft.name,
            description: draft.description,
            permissions: draft.permissions,
            builtin: None,
            created_at: now,
            updated_at: now,
            damaged: false,
        };
        let mut tx = self.0.inner.store.begin().await?;
        role.number = store::roles::insert(&mut tx.conn(), &role).await?;
        self.record(&mut tx, &actor, "role.created", &role).await?;
        tx.emit(Change::new(Subject::Role, Verb::Created, role.id));
        tx.commit().await?;
        Ok(role)
    }

    /// Changes a role, effective at once for its users.
    ///
    /// # Errors
    /// As [`Self::create`], and [`Error::Conflict`] `builtin`.
    pub async fn update(&self, permit: Permit<UpdateRole>, draft: RoleDraft) -> Result<RoleSummary> {
        let (actor, target) = permit.consume();
        let draft = draft.checked()?;
        changeable(&target)?;
        held(&actor, draft.permissions)?;
        let mut tx = self.0.inner.store.begin().await?;
        let mut role =
            store::roles::find(&mut tx.conn(), target.id).await?.ok_or(Error::NotFound { what: "role" })?;
        held(&actor, role.permissions)?;
        role.name = draft.name;
        role.description = draft.description;
        role.permissions = draft.permissions;
        role.updated_at = self.0.inner.clock.now();
        store::roles::update(&mut tx.conn(), &role).await?;
        let user_count = store::roles::user_count(&mut tx.conn(), role.id).await?;
        self.record(&mut tx, &actor, "role.updated", &role).await?;
        tx.emit(Change::new(Subject::Role, Verb::Updated, role.id));
        tx.commit().await?;
        Ok(RoleSummary { role, user_count })
    }

    /// Deletes a role without users.
    ///
    /// # Errors
    /// [`Error::Conflict`] `builtin` or `in_use`, [`Error::Forbidden`] for permissions that the actor lacks.
    pub async fn delete(&self, permit: Permit<DeleteRole>) -> Result<()> {
        let (actor, role) = permit.consume();
        changeable(&role)?;
        held(&actor, role.permissions)?;
        let mut tx = self.0.inner.store.begin().await?;
        if !store::roles::delete(&mut tx.conn(), role.id).await? {
            return Err(Error::NotFound { what: "role" });
        }
        self.record(&mut tx, &actor, "role.deleted", &role).await?;
        tx.emit(Change::new(Subject::Role, Verb::Deleted, role.id));
        tx.commit().await
    }

    /// Ensures that the built-in roles exist.
    pub(crate) async fn ensure_builtin(&self) -> Result<()> {
        let now = self.0.inner.clock.now();
        for builtin in Builtin::ALL {
            if store::roles::builtin(&mut self.0.inner.store.read().await?.conn(), builtin).await?.is_some() {
                continue;
            }
            let role = Role {
                id: RoleId::generate(),
                number: 0,
                name: builtin.name().to_owned(),
                description: builtin.description().to_owned(),
                permissions: builtin.permissions(),
                builtin: Some(builtin),
                created_at: now,
                updated_at: now,
                damaged: false,
            };
            let mut tx = self.0.inner.store.begin().await?;
            match store::roles::insert(&mut tx.conn(), &role).await {
                Ok(_) => tx.commit().await?,
                // Another replica was faster.
                Err(Error::Conflict { code: "name_taken", .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn record(&self, tx: &mut Tx, actor: &Actor, action: &str, role: &Role) -> Result<()> {
        let activity = Activity::new(&self.0.inner.clock, actor, action)
            .on("role", role.id, &role.name)
            .with(serde_json::json!({ "permissions": role.permissions }));
        store::activity::insert(&mut tx.conn(), &activity).await
    }
}

fn changeable(role: &Role) -> Result<()> {
    match role.builtin {
        None => Ok(()),
        Some(_) => Err(Error::conflict(
            "builtin",
            "This role is built in and can't be changed. Create your own role instead.",
        )),
    }
}

/// Checks that the actor has all these permissions: nobody can grant more than they have.
///
/// # Errors
/// [`Error::Forbidden`] with the first one that is missing.
pub(crate) fn held(actor: &Actor, permissions: SystemSet) -> Result<()> {
    if actor.grants().includes(permissions) {
        return Ok(());
    }
    let missing = permissions.members().find(|permission| !actor.grants().contains(*permission));
    Err(Error::Forbidden { permission: missing.map_or("*", Permission::name).to_owned() })
}
