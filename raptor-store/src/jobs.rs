//! Background jobs: work to be done on hosts.

use super::{Conn, on, stored::RowReader};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::{
    Result,
    id::{ContainerId, DaemonId, JobId},
    jobs::{Job, Kind},
    nul,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: JobId,
    kind: String,
    daemon_id: DaemonId,
    container_id: ContainerId,
    attempts: i64,
}

pub async fn insert(
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

/// Leases the job that has been due the longest for `lease_s` seconds. `attempts` identifies the lease: a later holder has a
/// higher number.
pub async fn claim(c: &mut Conn<'_>, now: DateTime<Utc>, lease_s: i64) -> Result<Option<Job>> {
    // SQLite has one writer and needs no row locks. On PostgreSQL several replicas claim at the same time, and leases use the
    // database's clock: those of the replicas may differ by more than a lease.
    const SQLITE: &str = "UPDATE jobs SET leased_until = $2, attempts = attempts + 1
         WHERE id = (SELECT id FROM jobs WHERE run_after <= $1 AND (leased_until IS NULL OR leased_until < $1)
                     ORDER BY run_after LIMIT 1)
         RETURNING id, kind, daemon_id, container_id, attempts";
    const POSTGRES: &str =
        "UPDATE jobs SET leased_until = clock_timestamp() + $2 * interval '1 second', attempts = attempts + 1
         WHERE id = (SELECT id FROM jobs WHERE run_after <= $1 AND (leased_until IS NULL OR leased_until < clock_timestamp())
                     ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, daemon_id, container_id, attempts";
    let until = now + TimeDelta::seconds(lease_s);
    let row: Option<Row> = match c {
        Conn::Sqlite(c) => sqlx::query_as(SQLITE).bind(now).bind(until).fetch_optional(&mut **c).await?,
        Conn::Postgres(c) => {
            sqlx::query_as(POSTGRES).bind(now).bind(lease_s).fetch_optional(&mut **c).await?
        }
    };
    Ok(row.and_then(|row| {
        let Row { id, kind, daemon_id, container_id, attempts } = row;
        let kind = RowReader::of("jobs", id).word("kind", Kind::named(&kind).map(Some), None)?;
        Some(Job { id, kind, daemon_id, container_id, attempts })
    }))
}

/// Extends the lease to `lease_s` seconds from now. Returns false if another replica has taken the job, or it is gone.
pub async fn renew(c: &mut Conn<'_>, job: &Job, now: DateTime<Utc>, lease_s: i64) -> Result<bool> {
    const SQLITE: &str = "UPDATE jobs SET leased_until = $3 WHERE id = $1 AND attempts = $2 RETURNING id";
    const POSTGRES: &str = "UPDATE jobs SET leased_until = clock_timestamp() + $3 * interval '1 second'
         WHERE id = $1 AND attempts = $2 RETURNING id";
    let until = now + TimeDelta::seconds(lease_s);
    let kept: Option<JobId> = match c {
        Conn::Sqlite(c) => {
            let renewal = sqlx::query_scalar(SQLITE).bind(job.id).bind(job.attempts).bind(until);
            renewal.fetch_optional(&mut **c).await?
        }
        Conn::Postgres(c) => {
            let renewal = sqlx::query_scalar(POSTGRES).bind(job.id).bind(job.attempts).bind(lease_s);
            renewal.fetch_optional(&mut **c).await?
        }
    };
    Ok(kept.is_some())
}

/// Deletes a finished job, unless another replica has taken it.
pub async fn finish(c: &mut Conn<'_>, job: &Job) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM jobs WHERE id = $1 AND attempts = $2")
        .bind(job.id)
        .bind(job.attempts)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Ends the lease and schedules the next attempt, unless another replica has taken the job.
pub async fn postpone(c: &mut Conn<'_>, job: &Job, until: DateTime<Utc>, error: &str) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE jobs SET leased_until = NULL, run_after = $3, last_error = $4 WHERE id = $1 AND attempts = $2"
    )
    .bind(job.id)
    .bind(job.attempts)
    .bind(until)
    .bind(nul::replaced(error))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Deletes the container's jobs. A job that is leased stays: if its replica is killed, the one that takes it over has to make
/// sure that nothing is left on the host.
pub async fn forget(c: &mut Conn<'_>, container: ContainerId) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM jobs WHERE container_id = $1 AND leased_until IS NULL")
        .bind(container)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Makes all jobs of a daemon due now, because it is reachable again.
pub async fn make_due(c: &mut Conn<'_>, daemon: DaemonId, now: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE jobs SET run_after = $2 WHERE daemon_id = $1 AND run_after > $2")
        .bind(daemon)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
