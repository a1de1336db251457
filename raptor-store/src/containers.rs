//! Containers, and who has access to them.

use super::{
    Conn, name_key, on,
    stored::{RowReader, Text},
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    authz::ContainerSet,
    containers::{Access, Behaviour, Container, Installation, Level, Limits, Settings, lifecycle::Phase},
    id::{ContainerId, DaemonId, TemplateId, UserId},
    node::ContainerStatus,
};
use sqlx::types::Json;
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: ContainerId,
    number: i64,
    name: String,
    description: Option<String>,
    owner_id: UserId,
    owner_name: String,
    daemon_id: DaemonId,
    daemon_name: String,
    daemon_host: Option<String>,
    template_id: TemplateId,
    template_revision: i64,
    template_name: String,
    image: String,
    image_allowed_by: Option<String>,
    startup: String,
    variables: Text,
    limits: Text,
    suspended: bool,
    deleting: bool,
    revision: i64,
    synced_revision: i64,
    phase: String,
    phase_since: DateTime<Utc>,
    behaviour: Text,
    settings: Text,
    installation: Text,
    status: Option<Text>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    level: Option<String>,
    permissions: Option<Text>,
    denied_files: Option<Text>,
}

/// The rights that a user has on a container.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessRights {
    pub permissions: ContainerSet,
    /// Patterns of files that this user can't see or change, in the format of `.gitignore`.
    pub denied_files: Vec<String>,
}

impl AccessRights {
    /// The rights of the owner: everything.
    pub(crate) fn owner() -> Self {
        Self { permissions: Level::Owner.permissions(), denied_files: Vec::new() }
    }

    /// The rights in the columns of `container_access`; `None` if the user has no row.
    pub(crate) fn by_access(
        container: ContainerId,
        level: Option<&str>,
        permissions: Option<&Text>,
        denied_files: Option<&Text>,
    ) -> Option<Self> {
        Some(read_access(container, level?, permissions?, denied_files?).1)
    }
}

/// The rights in a row of `container_access`. A damaged row grants nothing.
fn read_access(
    container: ContainerId,
    level: &str,
    permissions: &Text,
    denied_files: &Text,
) -> (Level, AccessRights, bool) {
    let mut words = RowReader::of("container_access", container);
    let named = Level::GIVEN.into_iter().find(|given| given.name() == level);
    let level = words.word("level", named, Level::Custom);
    let custom = words.json("permissions", permissions, || ContainerSet::NONE);
    let denied_files = words.json("denied_files", denied_files, Vec::new);
    let damaged = !words.damaged().is_empty();
    let permissions = match level {
        _ if damaged => ContainerSet::NONE,
        Level::Custom => custom,
        level => level.permissions(),
    };
    (level, AccessRights { permissions, denied_files }, damaged)
}

impl Row {
    /// The container, and the rights of the user that the statement asked about.
    pub(crate) fn split(self, user: Option<UserId>) -> (Container, Option<AccessRights>) {
        let access = if user == Some(self.owner_id) {
            Some(AccessRights::owner())
        } else {
            AccessRights::by_access(
                self.id,
                self.level.as_deref(),
                self.permissions.as_ref(),
                self.denied_files.as_ref(),
            )
        };
        let mut words = RowReader::of("containers", self.id);
        let variables = words.json("variables", &self.variables, BTreeMap::new);
        let limits = words.json("limits", &self.limits, Limits::default);
        let behaviour = words.json("behaviour", &self.behaviour, Behaviour::default);
        let settings = words.json("settings", &self.settings, Settings::default);
        let installation = words.json("installation", &self.installation, Installation::default);
        // These columns are copies of what the host reports, and it reports them again; damage in them is not shown.
        let mut copies = RowReader::of("containers", self.id);
        let status: Option<ContainerStatus> = copies.maybe("status", self.status.as_ref());
        let phase = copies.word("phase", Phase::named(&self.phase), Phase::Offline);
        let container = Container {
            id: self.id,
            number: self.number,
            name: self.name,
            description: self.description,
            owner_id: self.owner_id,
            owner_name: self.owner_name,
            daemon_id: self.daemon_id,
            daemon_name: self.daemon_name,
            daemon_host: self.daemon_host,
            template_id: self.template_id,
            template_revision: self.template_revision,
            template_name: self.template_name,
            image: self.image,
            image_allowed_by: self.image_allowed_by,
            startup: self.startup,
            variables,
            limits,
            settings,
            suspended: self.suspended,
            deleting: self.deleting,
            revision: self.revision,
            synced_revision: self.synced_revision,
            phase,
            phase_since: self.phase_since,
            behaviour,
            installation,
            status,
            damaged: words.damaged(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        (container, access)
    }
}

/// All columns of [`Row`]; `$1` is the user whose access is looked up.
macro_rules! columns {
    () => {
        "c.id, c.number, c.name, c.description, c.owner_id, u.username AS owner_name, c.daemon_id, d.name AS daemon_name,
         CASE WHEN d.local THEN NULL ELSE d.host END AS daemon_host,
         c.template_id, c.template_revision, t.name AS template_name, c.image, c.image_allowed_by, c.startup, c.variables, c.limits, c.settings,
         c.suspended, c.deleting, c.revision, c.synced_revision, c.phase, c.phase_since, c.behaviour, c.installation, c.status, c.created_at, c.updated_at,
         a.level, a.permissions, a.denied_files"
    };
}

/// The joins that [`columns`] needs.
macro_rules! joins {
    () => {
        " JOIN users u ON u.id = c.owner_id JOIN daemons d ON d.id = c.daemon_id JOIN templates t ON t.id = c.template_id
          LEFT JOIN container_access a ON a.container_id = c.id AND a.user_id = $1 "
    };
}

pub(crate) const COLUMNS: &str = columns!();
pub(crate) const JOINS: &str = joins!();

pub async fn insert(c: &mut Conn<'_>, container: &Container) -> Result<i64> {
    let limits = &container.limits;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(on!(c, |c| {
        sqlx::query_scalar(
        "INSERT INTO containers (id, short_id, name, name_key, description, owner_id, daemon_id, template_id, image, startup,
                                 variables, limits, memory_mib, disk_mib, cpu_percent, settings, suspended, deleting,
                                 revision, synced_revision, phase, phase_since, created_at, updated_at, template_revision, behaviour, installation,
                                 image_allowed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, FALSE, FALSE, $17, 0, $23, $18,
                 $18, $18, $19, $20, $21, $22)
         RETURNING number",
    )
    .bind(container.id)
    .bind(container.id.short())
    .bind(&container.name)
    .bind(name_key(&container.name))
    .bind(&container.description)
    .bind(container.owner_id)
    .bind(container.daemon_id)
    .bind(container.template_id)
    .bind(&container.image)
    .bind(&container.startup)
    .bind(Json(&container.variables))
    .bind(Json(limits))
    .bind(signed(limits.memory_mib))
    .bind(signed(limits.disk_mib))
    .bind(signed(limits.cpu_percent))
    .bind(Json(&container.settings))
    .bind(container.revision)
    .bind(container.created_at)
    .bind(container.template_revision)
    .bind(Json(&container.behaviour))
    .bind(Json(&container.installation))
    .bind(&container.image_allowed_by)
    .bind(container.phase.name())
    .fetch_one(c)
    .await
    })?)
}

const FIND: &str = concat!("SELECT ", columns!(), " FROM containers c", joins!(), "WHERE c.id = $2");

/// A container, and the rights that `user` has on it.
pub async fn find(
    c: &mut Conn<'_>,
    id: ContainerId,
    user: Option<UserId>,
) -> Result<Option<(Container, Option<AccessRights>)>> {
    let row: Option<Row> = on!(c, |c| sqlx::query_as(FIND).bind(user).bind(id).fetch_optional(c).await)?;
    Ok(row.map(|row| row.split(user)))
}

/// The container with this short id, and the rights that `user` has on it.
pub async fn find_by_short_id(
    c: &mut Conn<'_>,
    short_id: &str,
    user: Option<UserId>,
) -> Result<Option<(Container, Option<AccessRights>)>> {
    const FIND_BY_SHORT_ID: &str =
        concat!("SELECT ", columns!(), " FROM containers c", joins!(), "WHERE c.short_id = $2");
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(FIND_BY_SHORT_ID).bind(user).bind(short_id).fetch_optional(c).await)?;
    Ok(row.map(|row| row.split(user)))
}

/// Writes every field that can be changed, and increments the revision.
pub async fn update(c: &mut Conn<'_>, container: &Container) -> Result<bool> {
    let limits = &container.limits;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE containers SET name = $2, name_key = $3, description = $4, owner_id = $5, image = $6, startup = $7,
                variables = $8, limits = $9, memory_mib = $10, disk_mib = $11, cpu_percent = $12, settings = $13,
                suspended = $14, deleting = $15, revision = revision + 1, updated_at = $16,
                template_revision = $17, behaviour = $18, image_allowed_by = $19, template_id = $20
         WHERE id = $1 RETURNING revision",
    )
    .bind(container.id)
    .bind(&container.name)
    .bind(name_key(&container.name))
    .bind(&container.description)
    .bind(container.owner_id)
    .bind(&container.image)
    .bind(&container.startup)
    .bind(Json(&container.variables))
    .bind(Json(limits))
    .bind(signed(limits.memory_mib))
    .bind(signed(limits.disk_mib))
    .bind(signed(limits.cpu_percent))
    .bind(Json(&container.settings))
    .bind(container.suspended)
    .bind(container.deleting)
    .bind(container.updated_at)
    .bind(container.template_revision)
    .bind(Json(&container.behaviour))
    .bind(&container.image_allowed_by)
    .bind(container.template_id)
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

/// Marks the container as being deleted. Writes nothing else, so that damaged columns stay as they are.
pub async fn set_deleting(c: &mut Conn<'_>, id: ContainerId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE containers SET deleting = TRUE, revision = revision + 1, updated_at = $2 WHERE id = $1"
    )
    .bind(id)
    .bind(at)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Increments the revision although no column changed: something else that the declaration depends on has.
pub async fn renew(c: &mut Conn<'_>, id: ContainerId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET revision = revision + 1, updated_at = $2 WHERE id = $1")
        .bind(id)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn set_synced(c: &mut Conn<'_>, id: ContainerId, revision: i64) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE containers SET synced_revision = $2 WHERE id = $1 AND synced_revision < $2"
    )
    .bind(id)
    .bind(revision)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Marks the container as unsynced: its host has lost it and needs its declaration again.
pub async fn set_unsynced(c: &mut Conn<'_>, id: ContainerId) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET synced_revision = 0 WHERE id = $1")
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Stores the status that a host reported.
pub async fn set_status(c: &mut Conn<'_>, status: &ContainerStatus) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET phase = $2, phase_since = $3, status = $4 WHERE id = $1")
        .bind(status.id)
        .bind(status.phase.name())
        .bind(status.since)
        .bind(Json(status))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The stored statuses of a daemon's containers. Those that an incompatible version wrote are left out.
pub async fn statuses(c: &mut Conn<'_>, daemon: DaemonId) -> Result<HashMap<ContainerId, ContainerStatus>> {
    let rows: Vec<(ContainerId, Option<Text>, String)> =
        on!(c, |c| sqlx::query_as("SELECT id, status, phase FROM containers WHERE daemon_id = $1")
            .bind(daemon)
            .fetch_all(c)
            .await)?;
    let read = |(id, status, phase): (ContainerId, Option<Text>, String)| {
        let status: ContainerStatus = RowReader::of("containers", id).maybe("status", status.as_ref())?;
        // A damaged phase is written anew with the next status.
        (status.phase.name() == phase).then_some((id, status))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Stores the state of the container's installation.
pub async fn set_installation(c: &mut Conn<'_>, id: ContainerId, installation: &Installation) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET installation = $2 WHERE id = $1")
        .bind(id)
        .bind(Json(installation))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn delete(c: &mut Conn<'_>, id: ContainerId) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM containers WHERE id = $1").bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// The containers that a daemon should have, with their revisions.
pub async fn of_daemon(c: &mut Conn<'_>, daemon: DaemonId) -> Result<Vec<(ContainerId, i64, Installation)>> {
    let rows: Vec<(ContainerId, i64, Text)> = on!(c, |c| sqlx::query_as(
        "SELECT id, revision, installation FROM containers WHERE daemon_id = $1 AND NOT deleting"
    )
    .bind(daemon)
    .fetch_all(c)
    .await)?;
    let read = |(id, revision, installation): (ContainerId, i64, Text)| {
        let installation =
            RowReader::of("containers", id).json("installation", &installation, Installation::default);
        (id, revision, installation)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Stores the state in which an installation was found, unless the container was changed since `revision`.
pub async fn record_found_installation(
    c: &mut Conn<'_>,
    id: ContainerId,
    revision: i64,
    installation: &Installation,
) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET installation = $3 WHERE id = $1 AND revision = $2")
        .bind(id)
        .bind(revision)
        .bind(Json(installation))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Raises the revision of a container's declaration to at least one above `revision`.
pub async fn raise_revision(c: &mut Conn<'_>, id: ContainerId, revision: i64) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE containers SET revision = $2 + 1 WHERE id = $1 AND revision <= $2")
        .bind(id)
        .bind(revision)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// All containers of a daemon, including those that are being deleted and those that only remain to be removed from the host.
pub async fn known_on(c: &mut Conn<'_>, daemon: DaemonId) -> Result<HashSet<ContainerId>> {
    let ids: Vec<ContainerId> = on!(c, |c| {
        sqlx::query_scalar(
        "SELECT id FROM containers WHERE daemon_id = $1 UNION SELECT container_id FROM jobs WHERE daemon_id = $1"
    )
    .bind(daemon)
    .fetch_all(c)
    .await
    })?;
    Ok(ids.into_iter().collect())
}

/// Everybody with access apart from the owner, ordered by name.
pub async fn access(c: &mut Conn<'_>, id: ContainerId) -> Result<Vec<Access>> {
    type Row = (UserId, String, String, String, Text, Text);
    let rows: Vec<Row> = on!(c, |c| {
        sqlx::query_as(
        "SELECT u.id, u.username, u.email, a.level, a.permissions, a.denied_files FROM container_access a JOIN users u ON u.id = a.user_id
         WHERE a.container_id = $1 ORDER BY u.username_key",
    )
    .bind(id)
    .fetch_all(c)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(user_id, username, email, level, permissions, denied_files)| {
            let (level, held, damaged) = read_access(id, &level, &permissions, &denied_files);
            let AccessRights { permissions, denied_files } = held;
            Access { user_id, username, email, level, permissions, denied_files, damaged }
        })
        .collect())
}

/// Grants or changes access.
pub async fn set_access(
    c: &mut Conn<'_>,
    id: ContainerId,
    user: UserId,
    (level, permissions, denied_files): (Level, ContainerSet, &[String]),
    at: DateTime<Utc>,
) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
        "INSERT INTO container_access (container_id, user_id, level, permissions, denied_files, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (container_id, user_id) DO UPDATE
         SET level = excluded.level, permissions = excluded.permissions, denied_files = excluded.denied_files",
    )
    .bind(id)
    .bind(user)
    .bind(level.name())
    .bind(Json(permissions))
    .bind(Json(denied_files))
    .bind(at)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

pub async fn remove_access(c: &mut Conn<'_>, id: ContainerId, user: UserId) -> Result<bool> {
    let done: Option<UserId> = on!(c, |c| sqlx::query_scalar(
        "DELETE FROM container_access WHERE container_id = $1 AND user_id = $2 RETURNING user_id"
    )
    .bind(id)
    .bind(user)
    .fetch_optional(c)
    .await)?;
    Ok(done.is_some())
}
