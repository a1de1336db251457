//! What has to happen on hosts, in the store.

use super::{Conn, on};
use crate::{
    Result,
    id::{ContainerId, DaemonId, JobId},
    jobs::{Job, Kind},
    nul,
};
use chrono::{DateTime, Utc};

#[derive(sqlx::FromRow)]
struct Row {
    id: JobId,
    kind: String,
    daemon_id: DaemonId,
    container_id: ContainerId,
    attempts: i64,
}

pub(crate) async fn insert(
    c: &mut Conn<'_>,
    kind: Kind,
    daemon: DaemonId,
    container: ContainerId,
    at: DateTime<Utc>,
) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
        "INSERT INTO jobs (id, kind, daemon_id, container_id, attempts, run_after, created_at) VALUES ($1, $2, $3, $4, 0, $5, $5)",
    )
    .bind(JobId::generate())
    .bind(kind.name())
    .bind(daemon)
    .bind(container)
    .bind(at)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Takes the job that is due the longest, until `lease`; others leave it alone so long.
pub(crate) async fn claim(c: &mut Conn<'_>, now: DateTime<Utc>, lease: DateTime<Utc>) -> Result<Option<Job>> {
    // SQLite has one writer and needs no row locks; with PostgreSQL several replicas claim at the same time.
    const SQLITE: &str = "UPDATE jobs SET leased_until = $2, attempts = attempts + 1
         WHERE id = (SELECT id FROM jobs WHERE run_after <= $1 AND (leased_until IS NULL OR leased_until < $1)
                     ORDER BY run_after LIMIT 1)
         RETURNING id, kind, daemon_id, container_id, attempts";
    const POSTGRES: &str = "UPDATE jobs SET leased_until = $2, attempts = attempts + 1
         WHERE id = (SELECT id FROM jobs WHERE run_after <= $1 AND (leased_until IS NULL OR leased_until < $1)
                     ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, daemon_id, container_id, attempts";
    let row: Option<Row> = match c {
        Conn::Sqlite(c) => sqlx::query_as(SQLITE).bind(now).bind(lease).fetch_optional(&mut **c).await?,
        Conn::Postgres(c) => sqlx::query_as(POSTGRES).bind(now).bind(lease).fetch_optional(&mut **c).await?,
    };
    Ok(row.and_then(|row| {
        let Row { id, kind, daemon_id, container_id, attempts } = row;
        Some(Job { id, kind: Kind::named(&kind)?, daemon_id, container_id, attempts })
    }))
}

pub(crate) async fn finish(c: &mut Conn<'_>, id: JobId) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM jobs WHERE id = $1").bind(id).execute(c).await.map(drop))?;
    Ok(())
}

pub(crate) async fn postpone(c: &mut Conn<'_>, id: JobId, until: DateTime<Utc>, error: &str) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE jobs SET leased_until = NULL, run_after = $2, last_error = $3 WHERE id = $1"
    )
    .bind(id)
    .bind(until)
    .bind(nul::replaced(error))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Forgets what was to be done with the container. A job that is being carried out stays: if its replica is killed, the one that
/// takes it over has to see that the host keeps nothing.
pub(crate) async fn forget(c: &mut Conn<'_>, container: ContainerId) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM jobs WHERE container_id = $1 AND leased_until IS NULL")
        .bind(container)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Lets the jobs of a daemon that has come back run at once.
pub(crate) async fn hurry(c: &mut Conn<'_>, daemon: DaemonId, now: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE jobs SET run_after = $2 WHERE daemon_id = $1 AND run_after > $2")
        .bind(daemon)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
