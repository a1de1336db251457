//! Both databases have the same tables.

use crate::world::{World, on_both};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// `table.column` of every column, NOT NULL ones and nullable ones apart.
type Columns = BTreeSet<String>;

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let found: Arc<Mutex<Vec<Columns>>> = Arc::default();
    on_both(|world| {
        let found = found.clone();
        async move {
            let columns = if world.url.starts_with("sqlite") {
                of_sqlite(&world).await
            } else {
                of_postgres(&world).await
            };
            assert!(columns.len() > 50, "{columns:?}");
            found.lock().unwrap().push(columns);
        }
    })
    .await;
    if let [sqlite, postgres] = found.lock().unwrap().as_slice() {
        let only = |a: &Columns, b: &Columns| a.difference(b).cloned().collect::<Vec<_>>();
        assert_eq!((only(sqlite, postgres), only(postgres, sqlite)), (Vec::new(), Vec::new()));
    }
}

async fn of_sqlite(world: &World) -> Columns {
    let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
    sqlx::query_scalar(
        "SELECT m.name || '.' || c.name || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' required' ELSE '' END
         FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap()
    .into_iter()
    .collect()
}

async fn of_postgres(world: &World) -> Columns {
    let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
    sqlx::query_scalar(
        "SELECT table_name || '.' || column_name || CASE WHEN is_nullable = 'NO' THEN ' required' ELSE '' END
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap()
    .into_iter()
    .collect()
}

#[tokio::test]
async fn a_second_start_finds_everything_migrated() {
    on_both(|world| async move {
        world.raptor.shutdown().await;
        let (url, clock, hosts) = (world.url.clone(), world.clock.clone(), world.hosts.clone());
        drop(world.raptor);
        World::replica(&url, &clock, &hosts).await;
    })
    .await;
}
