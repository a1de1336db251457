//! The reference: Axum and sqlx without anything else.

use crate::programs::{Program, folder, free_port, own};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::Serialize;
use sqlx::{PgPool, SqlitePool, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

#[derive(Serialize, sqlx::FromRow)]
struct User {
    id: Uuid,
    number: i64,
    username: String,
    email: String,
    name: Option<String>,
}

/// The columns of a container's row.
#[derive(Serialize, sqlx::FromRow)]
struct Container {
    id: Uuid,
    number: i64,
    name: String,
    owner_id: Uuid,
    daemon_id: Uuid,
    template_id: Uuid,
    image: String,
    phase: String,
    memory_mib: i64,
}

/// The reference server on a port of its own, reading from `database`.
pub struct Bare {
    _program: Program,
    base: String,
    _folder: tempfile::TempDir,
}

impl Bare {
    pub fn start(database: Option<&str>) -> anyhow::Result<Self> {
        let addr = format!("127.0.0.1:{}", free_port()?);
        let mut args = vec!["bare", &addr];
        args.extend(database);
        let folder = folder()?;
        let program = Program::start(&own()?, &args, &[], folder.path())?;
        while std::net::TcpStream::connect(&addr).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { _program: program, base: format!("http://{addr}"), _folder: folder })
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

#[derive(Clone)]
enum Db {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

const USER: &str = "SELECT id, number, username, email, name FROM users WHERE username_key = $1";
const CONTAINERS: &str = "SELECT id, number, name, owner_id, daemon_id, template_id, image, phase, memory_mib
     FROM containers ORDER BY name_key, id LIMIT 50";

/// Serves until it is killed.
pub async fn serve(addr: &str, database: Option<&str>) -> anyhow::Result<()> {
    let mut router = Router::new()
        .route("/json", get(|| async { Json(serde_json::json!({ "name": "bare", "version": "0" })) }));
    if let Some(url) = database {
        let db = if url.starts_with("postgres") {
            Db::Postgres(PgPoolOptions::new().max_connections(20).connect(url).await?)
        } else {
            Db::Sqlite(SqlitePoolOptions::new().max_connections(8).connect(url).await?)
        };
        let routes = Router::new().route("/row", get(row)).route("/rows", get(rows)).with_state(db);
        router = router.merge(routes);
    }
    axum::serve(TcpListener::bind(addr).await?, router).await?;
    Ok(())
}

fn failed(error: sqlx::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn row(State(db): State<Db>) -> Result<Json<User>, (StatusCode, String)> {
    let row = match &db {
        Db::Postgres(pool) => sqlx::query_as(USER).bind("admin").fetch_one(pool).await,
        Db::Sqlite(pool) => sqlx::query_as(USER).bind("admin").fetch_one(pool).await,
    };
    Ok(Json(row.map_err(failed)?))
}

async fn rows(State(db): State<Db>) -> Result<Json<Vec<Container>>, (StatusCode, String)> {
    let rows = match &db {
        Db::Postgres(pool) => sqlx::query_as(CONTAINERS).fetch_all(pool).await,
        Db::Sqlite(pool) => sqlx::query_as(CONTAINERS).fetch_all(pool).await,
    };
    Ok(Json(rows.map_err(failed)?))
}
