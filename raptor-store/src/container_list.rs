//! Pages of containers.
//!
//! The statement contains only the conditions that are set, and the row limit as a literal. PostgreSQL can then reuse one plan
//! for all callers. With conditions that a NULL parameter switches off, or with an unknown limit, it would plan each call anew,
//! which takes longer than reading the page.

use super::{
    Conn,
    container_search::SearchTerms,
    containers::{COLUMNS, JOINS, Row},
    name_key, on,
};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    authz::ContainerSet,
    containers::{Container, ContainerFilter, Sort},
    id::{ContainerId, UserId},
    paging::{Page, PageRequest},
};
use sqlx::AssertSqlSafe;

/// Binds the values of a filter's conditions in the order of [`conditions`].
macro_rules! bind_filter {
    ($query:ident, $filter:expr) => {
        for id in places(&$filter.ids) {
            $query = $query.bind(id);
        }
        if let Some(terms) = $filter.search.as_deref().map(SearchTerms::new) {
            $query = $query.bind(terms.pattern);
            if let Some(id) = terms.id {
                $query = $query.bind(id);
            }
            if let Some(host) = terms.host {
                $query = $query.bind(host);
            }
            if let Some(port) = terms.port {
                $query = $query.bind(port);
            }
        }
        if let Some(phase) = $filter.phase {
            $query = $query.bind(phase.name());
        }
        if let Some(daemon) = $filter.daemon_id {
            $query = $query.bind(daemon);
        }
        if let Some(owner) = $filter.owner_id {
            $query = $query.bind(owner);
        }
        if let Some(template) = $filter.template_id {
            $query = $query.bind(template);
        }
    };
}

/// The ids to bind, padded with the last one so that many different counts share one statement.
fn places(ids: &[ContainerId]) -> impl Iterator<Item = ContainerId> + Clone {
    let count = if ids.is_empty() { 0 } else { ids.len().next_power_of_two() };
    ids.iter().chain(ids.last().into_iter().cycle()).copied().take(count)
}

/// The conditions of `filter` that are set, each preceded by `AND`, and the number of the last parameter. The statement already
/// has `given` parameters before them.
fn conditions(filter: &ContainerFilter, given: u32, only_theirs: bool) -> (String, u32) {
    let ids = places(&filter.ids).zip(given + 1..).map(|(_, number)| number);
    let mut last = ids.clone().last().unwrap_or(given);
    let among: Vec<String> = ids.map(|number| format!("${number}")).collect();
    let mut text =
        if among.is_empty() { String::new() } else { format!(" AND c.id IN ({})", among.join(", ")) };
    if let Some(search) = filter.search.as_deref() {
        let (condition, number) = SearchTerms::new(search).condition(last, only_theirs);
        last = number;
        text += &format!(" AND {condition}");
    }
    for (set, column) in [
        (filter.phase.is_some(), "phase"),
        (filter.daemon_id.is_some(), "daemon_id"),
        (filter.owner_id.is_some(), "owner_id"),
        (filter.template_id.is_some(), "template_id"),
    ] {
        if set {
            last += 1;
            text += &format!(" AND c.{column} = ${last}");
        }
    }
    (text, last)
}

/// One page of at most `rows` containers. `$1` is the user whose access is looked up, then come the filter's conditions, then the
/// position of the page. A page of the containers that the user owns or has access to is merged from one page of each kind, which
/// an index yields without reading other people's containers.
fn page_text(only_theirs: bool, filter: &ContainerFilter, after: bool, rows: i64) -> String {
    let (column, direction, beyond) = match filter.sort {
        Sort::Name => ("name_key", "", '>'),
        Sort::Oldest => ("created_at", "", '>'),
        Sort::Newest => ("created_at", " DESC", '<'),
    };
    let (mut conditions, last) = conditions(filter, 1, only_theirs);
    if after {
        conditions += &format!(" AND (c.{column}, c.id) {beyond} (${}, ${})", last + 1, last + 2);
    }
    let part = |from: &str, which: &str| {
        format!(
            "SELECT {COLUMNS}, c.name_key FROM {from} {JOINS} WHERE {which}{conditions}
             ORDER BY c.{column}{direction}, c.id{direction} LIMIT {rows}"
        )
    };
    if !only_theirs {
        return part("containers c", "TRUE");
    }
    let own = part("containers c", "c.owner_id = $1");
    let shared = part(
        "container_access mine JOIN containers c ON c.id = mine.container_id",
        "mine.user_id = $1 AND c.owner_id <> $1",
    );
    format!(
        "SELECT * FROM (SELECT * FROM ({own}) AS own UNION ALL SELECT * FROM ({shared}) AS shared) AS both_kinds
         ORDER BY {column}{direction}, id{direction} LIMIT {rows}"
    )
}

/// The number of containers on all pages.
fn count_text(only_theirs: bool, filter: &ContainerFilter) -> String {
    let which = "(c.owner_id = $1 OR c.id IN (SELECT container_id FROM container_access WHERE user_id = $1))";
    let (which, given) = if only_theirs { (which, 1) } else { ("TRUE", 0) };
    let (conditions, _) = conditions(filter, given, only_theirs);
    format!("SELECT COUNT(*) FROM containers c JOIN users u ON u.id = c.owner_id WHERE {which}{conditions}")
}

/// A page of containers with the access that `user` has to each; with `only_theirs`, only those they have access to.
pub async fn list(
    c: &mut Conn<'_>,
    user: Option<UserId>,
    only_theirs: bool,
    filter: &ContainerFilter,
    page: &PageRequest,
) -> Result<Page<(Container, Option<ContainerSet>)>> {
    let by_name = page_key::<String>(page, filter.sort == Sort::Name)?;
    let by_time = page_key::<DateTime<Utc>>(page, filter.sort != Sort::Name)?;
    let sql = page_text(only_theirs, filter, by_name.is_some() || by_time.is_some(), page.fetch());
    let rows: Vec<Row> = on!(c, |c| {
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(user);
        bind_filter!(query, filter);
        if let Some((name, id)) = by_name {
            query = query.bind(name).bind(id);
        }
        if let Some((time, id)) = by_time {
            query = query.bind(time).bind(id);
        }
        query.fetch_all(c).await
    })?;
    let total = if page.with_total {
        let sql = count_text(only_theirs, filter);
        Some(on!(c, |c| {
            let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
            if only_theirs {
                query = query.bind(user);
            }
            bind_filter!(query, filter);
            query.fetch_one(c).await
        })?)
    } else {
        None
    };
    let items = rows
        .into_iter()
        .map(|row| row.split(user))
        .map(|(container, held)| (container, held.map(|held| held.permissions)))
        .collect();
    let sort = filter.sort;
    Ok(page.cut(items, total, |(container, _): &(Container, Option<ContainerSet>)| match sort {
        Sort::Name => (serde_json::json!(name_key(&container.name)), container.id),
        Sort::Oldest | Sort::Newest => (serde_json::json!(container.created_at), container.id),
    }))
}

fn page_key<K: serde::de::DeserializeOwned>(
    page: &PageRequest,
    applies: bool,
) -> Result<Option<(K, ContainerId)>> {
    if applies { page.after() } else { Ok(None) }
}
