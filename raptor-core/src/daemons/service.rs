//! Operations on daemons.

use super::{DEFAULT_OFFLINE_HOURS, Daemon, DaemonDraft, Usage, local::is_named};
use crate::{
    Error, Raptor, Result,
    activity::{
        Activity,
        deferred::{self, CompletedAction},
    },
    auth::seal::generate_secret,
    authz::{
        Actor, ContainerSet, Permit, Target,
        actions::{CreateDaemon, DeleteDaemon, ListDaemons, MaintainDaemon, ReadDaemon, UpdateDaemon},
        sealed::Load,
    },
    id::DaemonId,
    live::Connection,
    node::{
        CleanedImages, StatsHistory, StatsRange,
        requests::{CleaningRequest, SystemStatsQuery},
    },
    store::{self, Change, Conn, Subject, Tx, Verb},
};

impl Target for Daemon {
    type Key = DaemonId;
}

impl Load<DaemonId> for Daemon {
    const WHAT: &'static str = "daemon";
    async fn load(
        conn: &mut Conn<'_>,
        _: &Actor,
        key: DaemonId,
    ) -> Result<Option<(Self, Option<ContainerSet>)>> {
        Ok(store::daemons::find(conn, key).await?.map(|daemon| (daemon, None)))
    }
}

/// A daemon and the state of its link.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinkedDaemon {
    pub daemon: Daemon,
    /// The link; `None` before the first attempt to connect.
    pub connection: Option<Connection>,
}

/// A daemon that was added.
#[non_exhaustive]
pub struct NewDaemon {
    pub linked: LinkedDaemon,
    /// The key to configure it with (`DAEMON_API_KEY`). It can't be read again.
    pub api_key: String,
}

/// Operations on daemons: adding, changing, maintaining and deleting them.
pub struct DaemonService<'r>(pub(crate) &'r Raptor);

impl DaemonService<'_> {
    /// All daemons, ordered by name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, permit: Permit<ListDaemons>) -> Result<Vec<LinkedDaemon>> {
        let _ = permit.consume();
        let daemons = store::daemons::list(&mut self.0.inner.store.read().await?.conn()).await?;
        Ok(daemons.into_iter().map(|daemon| self.linked(daemon)).collect())
    }

    fn linked(&self, daemon: Daemon) -> LinkedDaemon {
        LinkedDaemon { connection: self.0.inner.fleet.connection(daemon.id), daemon }
    }

    /// One daemon with the state of its link.
    #[must_use]
    pub fn get(&self, permit: Permit<ReadDaemon>) -> LinkedDaemon {
        self.linked(permit.consume().1)
    }

    /// Adds a daemon and generates its key, which can't be read again.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field, [`Error::Conflict`] `name_taken`.
    pub async fn create(&self, permit: Permit<CreateDaemon>, draft: DaemonDraft) -> Result<NewDaemon> {
        let (actor, ()) = permit.consume();
        let (daemon, api_key) = self.insert(&actor, draft.checked(false)?, false).await?;
        Ok(NewDaemon { linked: self.linked(daemon), api_key })
    }

    pub(super) async fn insert(
        &self,
        actor: &Actor,
        draft: DaemonDraft,
        local: bool,
    ) -> Result<(Daemon, String)> {
        let now = self.0.inner.clock.now();
        let transport = draft.transport(None);
        let mut daemon = Daemon {
            id: DaemonId::generate(),
            number: 0,
            name: draft.name,
            local,
            host: draft.host,
            port: draft.port,
            transport,
            memory_limit_mib: draft.memory_limit_mib,
            disk_limit_mib: draft.disk_limit_mib,
            sftp_read_only: draft.sftp_read_only,
            sftp_offline_hours: draft.sftp_offline_hours.unwrap_or(DEFAULT_OFFLINE_HOURS),
            self_service_ports: draft.self_service_ports,
            maintenance: None,
            created_at: now,
            updated_at: now,
            usage: Usage::default(),
        };
        let key = generate_secret("rd_")?;
        let sealed = self.0.inner.sealer.seal(daemon.id.as_uuid().as_bytes(), &key)?;
        let mut tx = self.0.inner.store.begin().await?;
        daemon.number = store::daemons::insert(&mut tx.conn(), &daemon, &sealed).await?;
        self.record(&mut tx, actor, "daemon.created", &daemon, Verb::Created).await?;
        tx.commit().await?;
        self.0.inner.fleet.refresh(self.0).await?;
        Ok((daemon, key))
    }

    /// Changes a daemon.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub async fn update(&self, permit: Permit<UpdateDaemon>, draft: DaemonDraft) -> Result<LinkedDaemon> {
        let (actor, mut daemon) = permit.consume();
        let draft = draft.checked(daemon.local)?;
        let transport = draft.transport(Some(daemon.transport));
        daemon.name = draft.name;
        daemon.memory_limit_mib = draft.memory_limit_mib;
        daemon.disk_limit_mib = draft.disk_limit_mib;
        daemon.sftp_read_only = draft.sftp_read_only;
        daemon.sftp_offline_hours = draft.sftp_offline_hours.unwrap_or(DEFAULT_OFFLINE_HOURS);
        daemon.self_service_ports = draft.self_service_ports;
        if !daemon.local {
            (daemon.host, daemon.port, daemon.transport) = (draft.host, draft.port, transport);
        }
        daemon.updated_at = self.0.inner.clock.now();
        let mut tx = self.0.inner.store.begin().await?;
        if !store::daemons::update(&mut tx.conn(), &daemon).await? {
            return Err(Error::NotFound { what: "daemon" });
        }
        self.record(&mut tx, &actor, "daemon.updated", &daemon, Verb::Updated).await?;
        tx.commit().await?;
        self.0.inner.fleet.refresh(self.0).await?;
        Ok(self.linked(daemon))
    }

    /// Replaces the daemon's key. The old one is refused from now on.
    ///
    /// # Errors
    /// [`Error::Conflict`] `local` for this process's own host, which needs none.
    pub async fn renew_key(&self, permit: Permit<UpdateDaemon>) -> Result<String> {
        let (actor, daemon) = permit.consume();
        if daemon.local {
            return Err(Error::conflict("local", "This daemon runs inside the API and needs no key."));
        }
        let key = generate_secret("rd_")?;
        let sealed = self.0.inner.sealer.seal(daemon.id.as_uuid().as_bytes(), &key)?;
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::set_key(&mut tx.conn(), daemon.id, &sealed, self.0.inner.clock.now()).await?;
        self.record(&mut tx, &actor, "daemon.key_renewed", &daemon, Verb::Updated).await?;
        tx.commit().await?;
        self.0.inner.fleet.refresh(self.0).await?;
        Ok(key)
    }

    /// Starts the daemon's maintenance with a reason, or ends it with `None`. During maintenance no containers are placed on
    /// it, and only people who manage daemons can start and stop those on it.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `reason`.
    pub async fn set_maintenance(
        &self,
        permit: Permit<MaintainDaemon>,
        reason: Option<String>,
    ) -> Result<LinkedDaemon> {
        let (actor, mut daemon) = permit.consume();
        let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > 300) {
            return Err(Error::invalid("reason", "Use at most 300 characters.")
                .because("too_long")
                .with("max", 300));
        }
        let mut tx = self.0.inner.store.begin().await?;
        store::daemons::set_maintenance(&mut tx.conn(), daemon.id, reason.as_deref()).await?;
        let action = if reason.is_some() { "daemon.maintenance_begun" } else { "daemon.maintenance_ended" };
        let activity = Activity::new(&self.0.inner.clock, &actor, action)
            .on("daemon", daemon.id, &daemon.name)
            .with(serde_json::json!({ "reason": reason }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Daemon, Verb::Updated, daemon.id));
        tx.commit().await?;
        daemon.maintenance = reason;
        Ok(self.linked(daemon))
    }

    /// Removes images from the host that were pulled for its containers, are used by none, and have not been used for this many
    /// days.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `unused_days`, [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn clean_images(
        &self,
        permit: Permit<MaintainDaemon>,
        unused_days: u64,
    ) -> Result<CleanedImages> {
        let (actor, daemon) = permit.consume();
        if unused_days > 3_650 {
            return Err(Error::invalid("unused_days", "Use at most 3,650 days.")
                .because("range")
                .with("min", 0)
                .with("max", 3_650));
        }
        let (node, raptor) = (self.0.inner.fleet.connected(daemon.id)?, self.0.clone());
        deferred::run_to_completion(self.0, async move {
            let cleaned = node.handle((), CleaningRequest { unused_s: unused_days * 86_400 }).await?;
            let detail = serde_json::json!({ "images": cleaned.images, "freed_bytes": cleaned.freed_bytes });
            let activity = Activity::new(&raptor.inner.clock, &actor, "daemon.images_cleaned")
                .on("daemon", daemon.id, &daemon.name)
                .with(detail);
            deferred::record(&raptor, CompletedAction { activity, command: None }).await?;
            Ok(cleaned)
        })
        .await
    }

    /// The host's resource usage over time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the daemon can't be reached.
    pub async fn stats_history(&self, permit: Permit<ReadDaemon>, range: StatsRange) -> Result<StatsHistory> {
        let daemon = permit.consume().1;
        Ok(self.0.inner.fleet.connected(daemon.id)?.handle((), SystemStatsQuery { range }).await?)
    }

    /// Deletes a daemon without containers, and its allocations.
    ///
    /// # Errors
    /// [`Error::Conflict`] `has_containers`, or `local` for a host that this process, or another one on the same database, runs.
    pub async fn delete(&self, permit: Permit<DeleteDaemon>) -> Result<()> {
        let (actor, daemon) = permit.consume();
        // A named one may no longer be run by its program.
        if daemon.local && (self.0.inner.fleet.runs(&daemon) || !is_named(&daemon)) {
            return Err(Error::conflict("local", "This daemon runs inside the API and can't be removed."));
        }
        let mut tx = self.0.inner.store.begin().await?;
        if daemon.local && !store::claims::lock_unclaimed(&mut tx.conn(), daemon.id).await? {
            return Err(Error::conflict(
                "local",
                "Another process on the same database runs this daemon. Stop that process, then delete the daemon.",
            ));
        }
        if !store::daemons::delete(&mut tx.conn(), daemon.id).await? {
            return Err(Error::NotFound { what: "daemon" });
        }
        self.record(&mut tx, &actor, "daemon.deleted", &daemon, Verb::Deleted).await?;
        tx.commit().await?;
        self.0.inner.fleet.refresh(self.0).await
    }

    /// Records that a daemon first reached by plain HTTP is reached by HTTPS from now on.
    pub(crate) async fn keep_upgraded(&self, id: DaemonId) -> Result<()> {
        let mut tx = self.0.inner.store.begin().await?;
        let Some(daemon) = store::daemons::find(&mut tx.conn(), id).await? else { return Ok(()) };
        if !store::daemons::upgraded(&mut tx.conn(), id, self.0.inner.clock.now()).await? {
            return Ok(());
        }
        self.record(&mut tx, &Actor::System, "daemon.encrypted", &daemon, Verb::Updated).await?;
        tx.commit().await?;
        self.0.inner.fleet.refresh(self.0).await
    }

    async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &str,
        daemon: &Daemon,
        verb: Verb,
    ) -> Result<()> {
        let activity = Activity::new(&self.0.inner.clock, actor, action)
            .on("daemon", daemon.id, &daemon.name)
            .with(serde_json::json!({ "host": daemon.host, "port": daemon.port }));
        store::activity::insert(&mut tx.conn(), &activity).await?;
        tx.emit(Change::new(Subject::Daemon, verb, daemon.id));
        Ok(())
    }
}
