//! Allocations in the store.

use super::{Conn, like_pattern, on, stored::RowReader};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    allocations::{Allocation, Ports},
    containers::ContainerRef,
    id::{AllocationId, ContainerId, DaemonId},
    node::Protocol,
    paging::{Page, PageRequest},
};
use std::net::{IpAddr, Ipv4Addr};

#[derive(sqlx::FromRow)]
struct Row {
    id: AllocationId,
    number: i64,
    daemon_id: DaemonId,
    ip: String,
    port: i64,
    protocol: String,
    alias: Option<String>,
    note: Option<String>,
    container_id: Option<ContainerId>,
    container_name: Option<String>,
    held_by: Option<ContainerId>,
    held_name: Option<String>,
    is_primary: bool,
}

impl From<Row> for Allocation {
    fn from(row: Row) -> Self {
        let mut words = RowReader::of("allocations", row.id);
        words.word("ip", row.ip.parse::<IpAddr>().ok(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let port = words.word("port", u16::try_from(row.port).ok(), 0);
        let protocol = words.word("protocol", Protocol::named(&row.protocol), Protocol::Both);
        Self {
            id: row.id,
            number: row.number,
            daemon_id: row.daemon_id,
            ip: row.ip,
            port,
            protocol,
            alias: row.alias,
            note: row.note,
            container: container_ref(row.container_id, row.container_name),
            held_by: container_ref(row.held_by, row.held_name),
            primary: row.is_primary,
            damaged: !words.damaged().is_empty(),
        }
    }
}

fn container_ref(id: Option<ContainerId>, name: Option<String>) -> Option<ContainerRef> {
    id.zip(name).map(|(id, name)| ContainerRef { id, name })
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.number, a.daemon_id, a.ip, a.port, a.protocol, a.alias, a.note, a.container_id, c.name AS container_name,
                    a.held_by, COALESCE(h.name, 'a deleted container') AS held_name, a.is_primary
             FROM allocations a LEFT JOIN containers c ON c.id = a.container_id LEFT JOIN containers h ON h.id = a.held_by ",
            $rest
        )
    };
}

/// Adds an allocation unless the daemon already has one with this address and port. Returns whether it was added.
pub async fn insert(
    c: &mut Conn<'_>,
    daemon: DaemonId,
    (ip, port): (&str, u16),
    (alias, note): (Option<&str>, Option<&str>),
    protocol: Protocol,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "INSERT INTO allocations (id, daemon_id, ip, port, alias, note, is_primary, created_at, protocol)
         VALUES ($1, $2, $3, $4, $5, $6, FALSE, $7, $8) ON CONFLICT (daemon_id, ip, port) DO NOTHING RETURNING number",
    )
    .bind(AllocationId::generate())
    .bind(daemon)
    .bind(ip)
    .bind(i64::from(port))
    .bind(alias)
    .bind(note)
    .bind(at)
    .bind(protocol.name())
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

pub async fn find(c: &mut Conn<'_>, id: AllocationId) -> Result<Option<Allocation>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE a.id = $1")).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Allocation::from))
}

/// The daemon's allocation with this address and port.
pub async fn at(c: &mut Conn<'_>, daemon: DaemonId, ip: &str, port: u16) -> Result<Option<Allocation>> {
    let row: Option<Row> =
        on!(c, |c| sqlx::query_as(select!("WHERE a.daemon_id = $1 AND a.ip = $2 AND a.port = $3"))
            .bind(daemon)
            .bind(ip)
            .bind(i64::from(port))
            .fetch_optional(c)
            .await)?;
    Ok(row.map(Allocation::from))
}

/// A container's allocations, primary first.
pub async fn of_container(c: &mut Conn<'_>, id: ContainerId) -> Result<Vec<Allocation>> {
    let rows: Vec<Row> = on!(c, |c| sqlx::query_as(select!(
        "WHERE a.container_id = $1 ORDER BY a.is_primary DESC, a.ip, a.port"
    ))
    .bind(id)
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(Allocation::from).collect())
}

/// The allocations of several containers, the primary ones first.
pub async fn of_containers(c: &mut Conn<'_>, ids: &[ContainerId]) -> Result<Vec<Allocation>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "{} WHERE a.container_id IN ({}) ORDER BY a.is_primary DESC, a.ip, a.port",
        select!(""),
        places.join(", ")
    );
    let rows: Vec<Row> = on!(c, |c| {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(*id);
        }
        query.fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Allocation::from).collect())
}

/// Narrows a list of allocations. A `None` field does not filter.
#[derive(Clone, Debug, Default)]
pub struct AllocationFilter {
    /// Part of the address, port, alias, note or the container's name.
    pub search: Option<String>,
    /// `true`: only free allocations; `false`: only those that belong to a container.
    pub free: Option<bool>,
}

pub async fn list(
    c: &mut Conn<'_>,
    daemon: DaemonId,
    filter: &AllocationFilter,
    page: &PageRequest,
) -> Result<Page<Allocation>> {
    let after = page.after::<(String, i64)>()?;
    let rows: Vec<Row> = on!(c, |c| {
        sqlx::query_as(select!(
        "WHERE a.daemon_id = $1
           AND ($2 IS NULL OR (a.container_id IS NULL AND a.held_by IS NULL) = $2)
           AND ($3 IS NULL OR a.ip LIKE $3 ESCAPE '\\' OR CAST(a.port AS TEXT) LIKE $3 ESCAPE '\\'
                OR LOWER(a.alias) LIKE $3 ESCAPE '\\' OR LOWER(a.note) LIKE $3 ESCAPE '\\' OR c.name_key LIKE $3 ESCAPE '\\')
           AND ($4 IS NULL OR (a.ip, a.port) > ($4, $5))
         ORDER BY a.ip, a.port LIMIT $6"
    ))
    .bind(daemon)
    .bind(filter.free)
    .bind(filter.search.as_deref().map(like_pattern))
    .bind(after.as_ref().map(|(ip, _)| ip.clone()))
    .bind(after.as_ref().map(|(_, port)| *port))
    .bind(page.fetch())
    .fetch_all(c)
    .await
    })?;
    let total = if page.with_total {
        let count = on!(c, |c| {
            sqlx::query_scalar(
            "SELECT COUNT(*) FROM allocations a LEFT JOIN containers c ON c.id = a.container_id
             WHERE a.daemon_id = $1
               AND ($2 IS NULL OR (a.container_id IS NULL AND a.held_by IS NULL) = $2)
               AND ($3 IS NULL OR a.ip LIKE $3 ESCAPE '\\' OR CAST(a.port AS TEXT) LIKE $3 ESCAPE '\\'
                    OR LOWER(a.alias) LIKE $3 ESCAPE '\\' OR LOWER(a.note) LIKE $3 ESCAPE '\\' OR c.name_key LIKE $3 ESCAPE '\\')"
        )
        .bind(daemon)
        .bind(filter.free)
        .bind(filter.search.as_deref().map(like_pattern))
        .fetch_one(c)
        .await
        })?;
        Some(count)
    } else {
        None
    };
    let items = rows.into_iter().map(Allocation::from).collect();
    Ok(page.cut(items, total, |allocation: &Allocation| (allocation.ip.clone(), i64::from(allocation.port))))
}

pub async fn update(
    c: &mut Conn<'_>,
    id: AllocationId,
    (alias, note): (Option<&str>, Option<&str>),
    protocol: Protocol,
) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE allocations SET alias = $2, note = $3, protocol = $4 WHERE id = $1")
        .bind(id)
        .bind(alias)
        .bind(note)
        .bind(protocol.name())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Deletes an allocation unless it belongs to a container or is still published by a container's process.
pub async fn delete_free(c: &mut Conn<'_>, id: AllocationId) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "DELETE FROM allocations WHERE id = $1 AND container_id IS NULL AND held_by IS NULL RETURNING number"
    )
    .bind(id)
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

/// Assigns this allocation to a container if it is on the container's daemon and free, or still held for this container.
pub async fn claim(
    c: &mut Conn<'_>,
    id: AllocationId,
    daemon: DaemonId,
    container: ContainerId,
    primary: bool,
) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "UPDATE allocations SET container_id = $3, is_primary = $4, held_by = NULL, held_revision = NULL
         WHERE id = $1 AND daemon_id = $2 AND container_id IS NULL AND (held_by IS NULL OR held_by = $3) RETURNING number",
    )
    .bind(id)
    .bind(daemon)
    .bind(container)
    .bind(primary)
    .fetch_optional(c)
    .await
    })?;
    Ok(done.is_some())
}

/// Assigns the daemon's lowest free allocation to the container, within `ports` if given. The caller holds the daemon's lock, so
/// no other claim of this kind runs at the same time; the outer condition guards against claims by id.
pub async fn claim_free(
    c: &mut Conn<'_>,
    daemon: DaemonId,
    container: ContainerId,
    primary: bool,
    ports: Option<&Ports>,
) -> Result<bool> {
    let within = ports.map_or("TRUE".to_owned(), |ports| {
        let ranges = ports.ranges().iter();
        let ranges = ranges.map(|range| format!("port BETWEEN {} AND {}", range.start(), range.end()));
        format!("({})", ranges.collect::<Vec<_>>().join(" OR "))
    });
    let sql = format!(
        "UPDATE allocations SET container_id = $2, is_primary = $3
         WHERE id = (SELECT id FROM allocations
                     WHERE daemon_id = $1 AND container_id IS NULL AND held_by IS NULL AND {within}
                     ORDER BY ip, port LIMIT 1)
           AND container_id IS NULL AND held_by IS NULL RETURNING number"
    );
    let done: Option<i64> = on!(c, |c| {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(daemon)
            .bind(container)
            .bind(primary)
            .fetch_optional(c)
            .await
    })?;
    Ok(done.is_some())
}

/// Takes an allocation from the container. With `held`, nobody else can claim it until the container's process was created from
/// that revision of its declaration or a later one, or has ended.
pub async fn release(
    c: &mut Conn<'_>,
    id: AllocationId,
    container: ContainerId,
    held: Option<i64>,
) -> Result<bool> {
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE allocations SET container_id = NULL, is_primary = FALSE, held_revision = $3,
                held_by = CASE WHEN $3 IS NULL THEN NULL ELSE container_id END
         WHERE id = $1 AND container_id = $2 RETURNING number",
    )
    .bind(id)
    .bind(container)
    .bind(held)
    .fetch_optional(c)
    .await)?;
    Ok(done.is_some())
}

/// Takes all allocations from the container. With `held`, nobody else can claim them until the host has removed the container.
pub async fn release_all(c: &mut Conn<'_>, container: ContainerId, held: bool) -> Result<()> {
    let held = held.then_some(i64::MAX);
    on!(c, |c| sqlx::query(
        "UPDATE allocations SET container_id = NULL, is_primary = FALSE, held_revision = $2,
                held_by = CASE WHEN $2 IS NULL THEN NULL ELSE container_id END
         WHERE container_id = $1"
    )
    .bind(container)
    .bind(held)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// The containers of the daemon whose processes still publish allocations that are no longer theirs.
pub async fn holders(c: &mut Conn<'_>, daemon: DaemonId) -> Result<Vec<ContainerId>> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "SELECT DISTINCT held_by FROM allocations WHERE daemon_id = $1 AND held_by IS NOT NULL"
    )
    .bind(daemon)
    .fetch_all(c)
    .await)?)
}

/// How many allocations the container's process still publishes although they are no longer its own, not counting `except`.
pub async fn held_count(
    c: &mut Conn<'_>,
    container: ContainerId,
    except: Option<AllocationId>,
) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM allocations WHERE held_by = $1 AND ($2 IS NULL OR id <> $2)"
    )
    .bind(container)
    .bind(except)
    .fetch_one(c)
    .await)?)
}

/// Frees the allocations that the container's process no longer publishes, because it was created from this revision of its
/// declaration or has ended. Returns whether there were any.
pub async fn free_unpublished(
    c: &mut Conn<'_>,
    container: ContainerId,
    revision: Option<i64>,
) -> Result<bool> {
    let freed: Vec<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE allocations SET held_by = NULL, held_revision = NULL
         WHERE held_by = $1 AND ($2 IS NULL OR held_revision <= $2) RETURNING number"
    )
    .bind(container)
    .bind(revision)
    .fetch_all(c)
    .await)?;
    Ok(!freed.is_empty())
}

/// Makes this allocation the container's primary one.
pub async fn set_primary(c: &mut Conn<'_>, id: AllocationId, container: ContainerId) -> Result<bool> {
    on!(c, |c| sqlx::query("UPDATE allocations SET is_primary = FALSE WHERE container_id = $1")
        .bind(container)
        .execute(c)
        .await
        .map(drop))?;
    let done: Option<i64> = on!(c, |c| sqlx::query_scalar(
        "UPDATE allocations SET is_primary = TRUE WHERE id = $1 AND container_id = $2 RETURNING number"
    )
    .bind(id)
    .bind(container)
    .fetch_optional(c)
    .await)?;
    Ok(done.is_some())
}
