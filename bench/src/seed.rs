//! A large system: rows as a company would have created over years, copied within the database.

use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

/// Copies the newest container, with other owners, until there are `total`, each with an allocation. All belong to a daemon
/// that does not exist any more and to a user who owns nothing else.
pub async fn containers(database: &str, total: u32) -> anyhow::Result<()> {
    if database.starts_with("postgres") {
        let pool = PgPool::connect(database).await?;
        for statement in POSTGRES {
            sqlx::query(*statement).bind(i64::from(total)).execute(&pool).await?;
        }
    } else {
        let pool = SqlitePool::connect(database).await?;
        for statement in SQLITE {
            sqlx::query(*statement).bind(i64::from(total)).execute(&pool).await?;
        }
    }
    analyse(database).await
}

/// Copies the only container until each daemon has `each`, each with an allocation, all running and known to their daemons.
/// Returns every container with its daemon. PostgreSQL only.
pub async fn running(database: &str, each: u32) -> anyhow::Result<Vec<(Uuid, Uuid)>> {
    let pool = PgPool::connect(database).await?;
    for statement in RUNNING {
        sqlx::query(*statement).bind(i64::from(each)).execute(&pool).await?;
    }
    analyse(database).await?;
    Ok(sqlx::query_as("SELECT id, daemon_id FROM containers").fetch_all(&pool).await?)
}

/// Makes the database update its statistics, as it does by itself after a while.
pub async fn analyse(database: &str) -> anyhow::Result<()> {
    if database.starts_with("postgres") {
        sqlx::query("ANALYZE").execute(&PgPool::connect(database).await?).await?;
    } else {
        sqlx::query("ANALYZE").execute(&SqlitePool::connect(database).await?).await?;
    }
    Ok(())
}

/// `$1` is the wanted number of containers.
const POSTGRES: &[&str] = &[
    "INSERT INTO users (id, username, username_key, email, email_key, password_hash, role_id, suspended, created_at, updated_at)
     SELECT gen_random_uuid(), 'others', 'others', 'others@example.com', 'others@example.com', '-', role_id, FALSE, created_at, updated_at
     FROM users WHERE username_key = 'owner' AND $1 > 0",
    "INSERT INTO daemons (id, name, name_key, local, host, port, tls, key_sealed, created_at, updated_at)
     SELECT gen_random_uuid(), 'Others', 'others', FALSE, '192.0.2.1', 8080, FALSE, key_sealed, created_at, updated_at
     FROM daemons WHERE $1 > 0 LIMIT 1",
    "INSERT INTO containers (id, short_id, name, name_key, owner_id, daemon_id, template_id, image, startup, variables, limits, memory_mib,
            disk_mib, cpu_percent, settings, suspended, deleting, revision, synced_revision, phase, phase_since, created_at, updated_at)
     SELECT gen_random_uuid(), md5('c' || n), 'Container ' || n, 'container ' || n, (SELECT id FROM users WHERE username_key = 'others'),
            (SELECT id FROM daemons WHERE name_key = 'others'), c.template_id, c.image, c.startup, c.variables, c.limits, c.memory_mib,
            c.disk_mib, c.cpu_percent, c.settings, FALSE, FALSE, 1, 1, 'offline', c.phase_since, c.created_at, c.updated_at
     FROM (SELECT * FROM containers ORDER BY id DESC LIMIT 1) AS c,
          generate_series((SELECT COUNT(*) FROM containers) + 1, $1) AS n",
    "INSERT INTO allocations (id, daemon_id, ip, port, container_id, is_primary, created_at)
     SELECT gen_random_uuid(), c.daemon_id, '10.0.' || (c.number / 250) || '.' || (c.number % 250), 25565, c.id, TRUE, c.created_at
     FROM containers c JOIN daemons d ON d.id = c.daemon_id WHERE d.name_key = 'others' AND $1 > 0",
];

/// `$1` is the wanted number of containers per daemon.
const RUNNING: &[&str] = &[
    "INSERT INTO containers (id, short_id, name, name_key, owner_id, daemon_id, template_id, image, startup, variables, limits, memory_mib,
            disk_mib, cpu_percent, settings, suspended, deleting, revision, synced_revision, phase, phase_since, created_at, updated_at)
     SELECT gen_random_uuid(), md5(d.number || '-' || n), c.name || ' ' || n, c.name_key || ' ' || n, c.owner_id, d.id, c.template_id, c.image,
            c.startup, c.variables, c.limits, c.memory_mib, c.disk_mib, c.cpu_percent, c.settings, FALSE, FALSE, 1, 1, 'running',
            c.phase_since, c.created_at, c.updated_at
     FROM containers c, daemons d, generate_series(1, $1) AS n WHERE d.id <> c.daemon_id OR n > 1",
    "UPDATE containers SET revision = 1, synced_revision = 1, phase = 'running' WHERE $1 > 0",
    "INSERT INTO allocations (id, daemon_id, ip, port, container_id, is_primary, created_at)
     SELECT gen_random_uuid(), daemon_id, '192.0.2.1', 20000 + ROW_NUMBER() OVER (PARTITION BY daemon_id), id, TRUE, created_at
     FROM containers WHERE $1 > 0",
    "DELETE FROM jobs WHERE $1 > 0",
];

const SQLITE: &[&str] = &[
    "INSERT INTO users (id, username, username_key, email, email_key, password_hash, role_id, suspended, created_at, updated_at)
     SELECT randomblob(16), 'others', 'others', 'others@example.com', 'others@example.com', '-', role_id, FALSE, created_at, updated_at
     FROM users WHERE username_key = 'owner' AND $1 > 0",
    "INSERT INTO daemons (id, name, name_key, local, host, port, tls, key_sealed, created_at, updated_at)
     SELECT randomblob(16), 'Others', 'others', FALSE, '192.0.2.1', 8080, FALSE, key_sealed, created_at, updated_at
     FROM daemons WHERE $1 > 0 LIMIT 1",
    "WITH RECURSIVE numbers (n) AS (SELECT (SELECT COUNT(*) FROM containers) + 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
     INSERT INTO containers (id, short_id, name, name_key, owner_id, daemon_id, template_id, image, startup, variables, limits, memory_mib,
            disk_mib, cpu_percent, settings, suspended, deleting, revision, synced_revision, phase, phase_since, created_at, updated_at)
     SELECT randomblob(16), lower(hex(randomblob(16))), 'Container ' || n, 'container ' || n, (SELECT id FROM users WHERE username_key = 'others'),
            (SELECT id FROM daemons WHERE name_key = 'others'), c.template_id, c.image, c.startup, c.variables, c.limits, c.memory_mib,
            c.disk_mib, c.cpu_percent, c.settings, FALSE, FALSE, 1, 1, 'offline', c.phase_since, c.created_at, c.updated_at
     FROM numbers, (SELECT * FROM containers ORDER BY id DESC LIMIT 1) AS c",
    "INSERT INTO allocations (id, daemon_id, ip, port, container_id, is_primary, created_at)
     SELECT randomblob(16), c.daemon_id, '10.0.' || (c.number / 250) || '.' || (c.number % 250), 25565, c.id, TRUE, c.created_at
     FROM containers c JOIN daemons d ON d.id = c.daemon_id WHERE d.name_key = 'others' AND $1 > 0",
];
