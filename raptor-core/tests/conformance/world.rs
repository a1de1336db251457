//! A fresh Raptor on a fresh database.

use raptor_core::{
    Raptor,
    auth::Origin,
    authz::{Actor, actions::CreateUser},
    clock::Clock,
    id::RoleId,
    roles::Builtin,
    users::{NewUser, User},
};
use std::future::Future;

/// Each password in this suite.
pub const PASSWORD: &str = "correct horse";

/// A fresh Raptor and how to open another replica on the same database.
pub struct World {
    pub raptor: Raptor,
    pub url: String,
    pub clock: Clock,
    _folder: Option<tempfile::TempDir>,
}

/// Runs `promise` on SQLite, and on PostgreSQL where there is one.
pub async fn on_both<F: Future<Output = ()>>(promise: impl Fn(World) -> F) {
    promise(World::sqlite().await).await;
    match std::env::var("RAPTOR_TEST_PG") {
        Ok(server) => promise(World::postgres(&server).await).await,
        Err(_) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("RAPTOR_TEST_PG is needed in CI")
        }
        Err(_) => println!("SKIP: PostgreSQL, RAPTOR_TEST_PG is not set"),
    }
}

impl World {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("raptor.db").display());
        Self::open(url, Some(folder)).await
    }

    async fn postgres(server: &str) -> Self {
        let name = format!("raptor_test_{}", raptor_core::id::JobId::generate().as_uuid().simple());
        let admin = sqlx::PgPool::connect(server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
        admin.close().await;
        let base = server.rsplit_once('/').unwrap().0;
        Self::open(format!("{base}/{name}"), None).await
    }

    async fn open(url: String, folder: Option<tempfile::TempDir>) -> Self {
        let clock = Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap());
        let raptor = Self::replica(&url, &clock).await;
        Self { raptor, url, clock, _folder: folder }
    }

    /// Another Raptor on the same database (PostgreSQL only: SQLite belongs to one).
    pub async fn replica(url: &str, clock: &Clock) -> Raptor {
        let raptor = Raptor::builder("app key")
            .database_url(url)
            .bcrypt_cost(4)
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        // The caches work once the change feed listens.
        while !raptor.store().feed().is_complete() {
            tokio::task::yield_now().await;
        }
        raptor
    }

    pub async fn role(&self, role: Builtin) -> RoleId {
        self.raptor.roles().builtin(role).await.unwrap().id
    }

    pub async fn user(&self, username: &str, role: Builtin) -> User {
        let role_id = self.role(role).await;
        let permit = self.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        self.raptor.users().create(permit, new_user(username, role_id)).await.unwrap()
    }

    pub async fn signed_in(&self, username: &str) -> (String, Actor) {
        let signed_in =
            self.raptor.auth().sign_in(username, PASSWORD.into(), Origin::default()).await.unwrap();
        (signed_in.token, signed_in.actor)
    }
}

pub fn new_user(username: &str, role_id: RoleId) -> NewUser {
    NewUser {
        username: username.into(),
        email: format!("{username}@example.com"),
        name: None,
        password: PASSWORD.into(),
        role_id,
    }
}
