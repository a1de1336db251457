//! Both migrations make the same tables.

use crate::world::on_both;
use std::collections::BTreeSet;

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = include_str!("../../migrations/sqlite/0001_init.sql");
    let postgres = include_str!("../../migrations/postgres/0001_init.sql");
    assert_eq!(columns(sqlite), columns(postgres));
}

/// `table.column NOT NULL?` of each column that a migration makes.
fn columns(sql: &str) -> BTreeSet<String> {
    let mut table = "";
    let mut found = BTreeSet::new();
    for line in sql.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            table = rest.trim_end_matches(" (");
        } else if let Some(column) = line.strip_prefix("    ") {
            let name = column.split_whitespace().next().unwrap_or_default();
            if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                let required =
                    ["NOT NULL", "PRIMARY KEY", "IDENTITY"].iter().any(|word| column.contains(word));
                found.insert(format!("{table}.{name} required={required}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_second_start_finds_everything_migrated() {
    on_both(|world| async move {
        let before = world.raptor.store().clone();
        drop(before);
        world.raptor.shutdown().await;
        let url = world.url.clone();
        let clock = world.clock.clone();
        drop(world.raptor);
        crate::world::World::replica(&url, &clock).await;
    })
    .await;
}
