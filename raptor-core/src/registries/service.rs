//! Operations on logins for image registries.

use super::{Registry, check_host};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{DeleteRegistry, ListRegistries, SaveRegistry},
        sealed::Load,
    },
    id::RegistryId,
    node::RegistryLogin,
    store::{self, Change, Conn, Subject, Verb},
};

impl Target for Registry {
    type Key = RegistryId;
}

impl Load<RegistryId> for Registry {
    const WHAT: &'static str = "registry";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: RegistryId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        let found = store::registries::list(conn).await?.into_iter().find(|(registry, _)| registry.id == key);
        Ok(found.map(|(registry, _)| (registry, None)))
    }
}

/// Operations on logins for image registries.
pub struct RegistryService<'r>(pub(crate) &'r Raptor);

impl RegistryService<'_> {
    /// All logins without their passwords, ordered by host.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, permit: Permit<ListRegistries>) -> Result<Vec<Registry>> {
        let _ = permit.consume();
        let all = store::registries::list(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(all.into_iter().map(|(registry, _)| registry).collect())
    }

    /// Adds or replaces the login for a registry.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub async fn save(
        &self,
        permit: Permit<SaveRegistry>,
        host: &str,
        username: &str,
        password: &str,
    ) -> Result<Registry> {
        let (actor, ()) = permit.consume();
        let host = check_host(host)?;
        for (field, text) in [("username", username), ("password", password)] {
            if text.is_empty() || text.len() > 4_096 {
                return Err(Error::invalid(field, "Use 1 to 4,096 bytes.")
                    .because("too_many_bytes")
                    .with("max", 4_096));
            }
        }
        let now = self.0.inner.clock.now();
        // Bound to the host: a password can't be moved to another one in the store.
        let sealed = self.0.inner.sealer.seal(host.as_bytes(), password)?;
        let id = RegistryId::generate();
        let registry = Registry { id, host, username: username.to_owned(), created_at: now, updated_at: now };
        let mut tx = self.0.inner.store.begin().await?;
        let registry = store::registries::save(&mut tx.conn(), &registry, &sealed).await?;
        let activity = self.activity(&actor, "registry.saved", &registry);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Registry, Verb::Updated, registry.id));
        tx.commit().await?;
        Ok(registry)
    }

    /// Deletes a login.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, permit: Permit<DeleteRegistry>) -> Result<()> {
        let (actor, registry) = permit.consume();
        let mut tx = self.0.inner.store.begin().await?;
        if !store::registries::delete(&mut tx.conn(), registry.id).await? {
            return Err(Error::NotFound { what: "registry" });
        }
        let activity = self.activity(&actor, "registry.deleted", &registry);
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Registry, Verb::Deleted, registry.id));
        tx.commit().await
    }

    /// All logins with their passwords, for the hosts. Those that can't be decrypted are left out.
    pub(crate) async fn logins(&self) -> Result<Vec<RegistryLogin>> {
        let all = store::registries::list(&mut self.0.inner.store.read().await?.conn()).await?;
        let open = |(registry, sealed): (Registry, Vec<u8>)| {
            let Registry { host, username, .. } = registry;
            match self.0.inner.sealer.open(host.as_bytes(), &sealed) {
                Ok(password) => Some(RegistryLogin { host, username, password }),
                Err(error) => {
                    tracing::warn!(%error, host, "the login for a registry can't be decrypted");
                    None
                }
            }
        };
        Ok(all.into_iter().filter_map(open).collect())
    }

    fn activity(&self, actor: &Actor, action: &str, registry: &Registry) -> Activity {
        Activity::new(&self.0.inner.clock, actor, action).on("registry", registry.id, &registry.host)
    }
}
