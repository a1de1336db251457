//! Daemons.

use super::{Conn, name_key, on, referenced, stored::RowReader, unique};
use chrono::{DateTime, Utc};
use raptor_model::{
    Error, Result,
    daemons::{Daemon, Transport, Usage},
    id::{DaemonId, UserId},
};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    id: DaemonId,
    number: i64,
    name: String,
    local: bool,
    host: String,
    port: i64,
    transport: String,
    memory_limit_mib: Option<i64>,
    disk_limit_mib: Option<i64>,
    sftp_read_only: bool,
    sftp_offline_hours: i64,
    self_service_ports: Option<String>,
    maintenance: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    container_count: i64,
    allocation_count: i64,
    allocation_free_count: i64,
    memory_mib: i64,
    disk_mib: i64,
    cpu_percent: i64,
}

impl From<Row> for Daemon {
    fn from(row: Row) -> Self {
        let mut words = RowReader::of("daemons", row.id);
        let transport = Transport::ALL.into_iter().find(|known| known.name() == row.transport);
        Self {
            id: row.id,
            number: row.number,
            name: row.name,
            local: row.local,
            host: row.host,
            port: words.word("port", u16::try_from(row.port).ok(), 0),
            // An unreadable transport falls back to the strictest one: nothing is sent without TLS by mistake.
            transport: words.word("transport", transport, Transport::Pinned),
            memory_limit_mib: row.memory_limit_mib,
            disk_limit_mib: row.disk_limit_mib,
            sftp_read_only: row.sftp_read_only,
            sftp_offline_hours: row.sftp_offline_hours,
            self_service_ports: row.self_service_ports,
            maintenance: row.maintenance,
            created_at: row.created_at,
            updated_at: row.updated_at,
            usage: Usage {
                container_count: row.container_count,
                allocation_count: row.allocation_count,
                allocation_free_count: row.allocation_free_count,
                memory_mib: row.memory_mib,
                disk_mib: row.disk_mib,
                cpu_percent: row.cpu_percent,
            },
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.number, d.name, d.local, d.host, d.port, d.transport, d.memory_limit_mib, d.disk_limit_mib,
                    d.maintenance, d.sftp_read_only, d.sftp_offline_hours, d.self_service_ports, d.created_at, d.updated_at,
                    (SELECT COUNT(*) FROM containers c WHERE c.daemon_id = d.id) AS container_count,
                    (SELECT COUNT(*) FROM allocations a WHERE a.daemon_id = d.id) AS allocation_count,
                    (SELECT COUNT(*) FROM allocations a WHERE a.daemon_id = d.id AND a.container_id IS NULL
                        AND a.held_by IS NULL) AS allocation_free_count,
                    CAST((SELECT COALESCE(SUM(c.memory_mib), 0) FROM containers c WHERE c.daemon_id = d.id) AS BIGINT) AS memory_mib,
                    CAST((SELECT COALESCE(SUM(c.disk_mib), 0) FROM containers c WHERE c.daemon_id = d.id) AS BIGINT) AS disk_mib,
                    CAST((SELECT COALESCE(SUM(c.cpu_percent), 0) FROM containers c WHERE c.daemon_id = d.id) AS BIGINT) AS cpu_percent
             FROM daemons d ",
            $rest
        )
    };
}

pub async fn insert(c: &mut Conn<'_>, daemon: &Daemon, key_sealed: &[u8]) -> Result<i64> {
    on!(c, |c| sqlx::query_scalar(
        "INSERT INTO daemons (id, name, name_key, local, host, port, tls, key_sealed, memory_limit_mib, disk_limit_mib,
                              sftp_read_only, sftp_offline_hours, self_service_ports, created_at, updated_at, transport)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15) RETURNING number",
    )
    .bind(daemon.id)
    .bind(&daemon.name)
    .bind(name_key(&daemon.name))
    .bind(daemon.local)
    .bind(&daemon.host)
    .bind(i64::from(daemon.port))
    .bind(daemon.transport == Transport::Certificate)
    .bind(key_sealed)
    .bind(daemon.memory_limit_mib)
    .bind(daemon.disk_limit_mib)
    .bind(daemon.sftp_read_only)
    .bind(daemon.sftp_offline_hours)
    .bind(&daemon.self_service_ports)
    .bind(daemon.created_at)
    .bind(daemon.transport.name())
    .fetch_one(c)
    .await)
    .map_err(|error| unique(error, || taken(&daemon.name)))
}

pub async fn find(c: &mut Conn<'_>, id: DaemonId) -> Result<Option<Daemon>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE d.id = $1")).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Daemon::from))
}

/// All daemons, ordered by name. Not paged: even large installations have hundreds at most.
pub async fn list(c: &mut Conn<'_>) -> Result<Vec<Daemon>> {
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(select!("ORDER BY d.name_key")).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Daemon::from).collect())
}

/// The sealed keys of all daemons, by daemon.
pub async fn keys(c: &mut Conn<'_>) -> Result<HashMap<DaemonId, Vec<u8>>> {
    let keys: Vec<(DaemonId, Vec<u8>)> =
        on!(c, |c| sqlx::query_as("SELECT id, key_sealed FROM daemons").fetch_all(c).await)?;
    Ok(keys.into_iter().collect())
}

pub async fn set_key(c: &mut Conn<'_>, id: DaemonId, key_sealed: &[u8], at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE daemons SET key_sealed = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(key_sealed)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Updates a daemon. If it was stored as `upgrading` and has been found to speak HTTPS in the meantime, that is kept.
pub async fn update(c: &mut Conn<'_>, daemon: &Daemon) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE daemons SET name = $2, name_key = $3, host = $4, port = $5, tls = $6, memory_limit_mib = $7, disk_limit_mib = $8,
                            updated_at = $9, sftp_read_only = $10, sftp_offline_hours = $11, self_service_ports = $12,
                            transport = CASE WHEN $13 = 'upgrading' THEN transport ELSE $13 END
         WHERE id = $1 RETURNING number",
    )
    .bind(daemon.id)
    .bind(&daemon.name)
    .bind(name_key(&daemon.name))
    .bind(&daemon.host)
    .bind(i64::from(daemon.port))
    .bind(daemon.transport == Transport::Certificate)
    .bind(daemon.memory_limit_mib)
    .bind(daemon.disk_limit_mib)
    .bind(daemon.updated_at)
    .bind(daemon.sftp_read_only)
    .bind(daemon.sftp_offline_hours)
    .bind(&daemon.self_service_ports)
    .bind(daemon.transport.name())
    .fetch_optional(c)
    .await)
    .map_err(|error| unique(error, || taken(&daemon.name)))?;
    Ok(done.is_some())
}

/// Records that a daemon that was added without HTTPS now answers with it. Returns whether this is new.
pub async fn upgraded(c: &mut Conn<'_>, id: DaemonId, at: DateTime<Utc>) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE daemons SET transport = 'pinned', updated_at = $2 WHERE id = $1 AND transport = 'upgrading' RETURNING number",
    )
    .bind(id)
    .bind(at)
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

/// The daemons of the containers that `user` owns or has access to, ordered by name; with `None`, all daemons.
pub async fn accessible_to(c: &mut Conn<'_>, user: Option<UserId>) -> Result<Vec<Daemon>> {
    let rows: Vec<Row> = on!(c, |c| {
        sqlx::query_as(select!(
        "WHERE $1 IS NULL OR d.id IN (
             SELECT daemon_id FROM containers WHERE owner_id = $1
             UNION
             SELECT c.daemon_id FROM container_access a JOIN containers c ON c.id = a.container_id WHERE a.user_id = $1)
         ORDER BY d.name_key"
    ))
    .bind(user)
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(Daemon::from).collect())
}

/// Starts or ends maintenance; `None` ends it.
pub async fn set_maintenance(c: &mut Conn<'_>, id: DaemonId, reason: Option<&str>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE daemons SET maintenance = $2 WHERE id = $1")
        .bind(id)
        .bind(reason)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Records that a host's event was stored. Returns false if it already was, so that events delivered twice count once.
pub async fn record_event(c: &mut Conn<'_>, id: DaemonId, spool: Uuid, number: i64) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE daemons SET event_spool = $2, event_number = $3
         WHERE id = $1 AND (event_spool IS NULL OR event_spool <> $2 OR event_number < $3) RETURNING number"
    )
    .bind(id)
    .bind(spool)
    .bind(number)
    .fetch_optional(c)
    .await)?;
    Ok(done.is_some())
}

/// Locks the daemon until this transaction ends: others that place containers on it wait.
pub async fn lock(c: &mut Conn<'_>, id: DaemonId) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE daemons SET updated_at = updated_at WHERE id = $1")
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn delete(c: &mut Conn<'_>, id: DaemonId) -> Result<bool> {
    let done: Option<i64> =
        on!(c, |c| sqlx::query_scalar("DELETE FROM daemons WHERE id = $1 RETURNING number")
            .bind(id)
            .fetch_optional(c)
            .await)
        .map_err(|error| {
            referenced(error, || {
                Error::conflict("has_containers", "This daemon has containers. Delete them first.")
            })
        })?;
    Ok(done.is_some())
}

fn taken(name: &str) -> Error {
    Error::conflict("name_taken", format!("There is already a daemon named {name}.")).with("name", name)
}
